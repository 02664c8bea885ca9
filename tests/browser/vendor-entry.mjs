// What the page takes of the packages beside maplibre-gl: one class that draws, one that projects.
export { ZarrLayer } from '@carbonplan/zarr-layer'
export { default as proj4 } from 'proj4'
