// The map without tiles: paper, borders of the province, its cities and counties, and the area that is chosen.

import { Map as LibreMap, NavigationControl, ScaleControl, setWorkerUrl } from './vendor-maplibre.mjs'
import { say } from './words.mjs'

setWorkerUrl(new URL('vendor-maplibre-worker.mjs', import.meta.url).href)

const NOTHING = { type: 'FeatureCollection', features: [] }
const COUNTIES_FROM = 8
// levels of regions are the store's own; those without a style of their own look like cities
const BORDERS = {
  county: { colour: '#5b6470', width: 0.6, opacity: 0.55 },
  city: { colour: '#39424e', width: 1.1, opacity: 0.8 },
  province: { colour: '#1d242d', width: 2, opacity: 0.95 },
}

export class Basemap {
  constructor(container, lonlatBounds, view, padding) {
    const [west, south, east, north] = lonlatBounds
    const margin = 1.2 * Math.max(east - west, north - south)
    this.bounds = lonlatBounds
    this.map = new LibreMap({
      container,
      style: {
        version: 8,
        sources: {},
        layers: [{ id: 'paper', type: 'background', paint: { 'background-color': '#dfe5ea' } }],
      },
      ...(view
        ? { center: [view[0], view[1]], zoom: view[2] }
        : { bounds: [west, south, east, north], fitBoundsOptions: { padding } }),
      maxBounds: [west - margin, south - margin, east + margin, north + margin],
      maxZoom: 13,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
      renderWorldCopies: false,
      // every pixel counts where a processor has to draw them
      canvasContextAttributes: { antialias: false },
      pixelRatio: Math.min(devicePixelRatio, 2),
      locale: this.locale(),
    })
    this.map.touchZoomRotate.disableRotation()
    this.map.keyboard.disable()
    this.map.addControl(new NavigationControl({ showCompass: false }), 'top-right')
    this.map.addControl(new ScaleControl({ maxWidth: 90 }), 'bottom-left')
    this.loaded = new Promise((resolve) => this.map.once('style.load', resolve))
    this.borders = {}
  }

  locale() {
    return { 'NavigationControl.ZoomIn': say('zoomIn'), 'NavigationControl.ZoomOut': say('zoomOut'), 'Map.Title': say('mapLabel') }
  }

  // empty sources and layers in their order from below: the finest level lowest
  prepare(levels) {
    const { map } = this
    for (const level of levels.toReversed()) {
      const { colour, width, opacity } = BORDERS[level] ?? BORDERS.city
      map.addSource(`border-${level}`, { type: 'geojson', data: NOTHING, tolerance: 0.2 })
      map.addLayer({
        id: `border-${level}`,
        type: 'line',
        source: `border-${level}`,
        minzoom: level === 'county' ? COUNTIES_FROM : 0,
        layout: { 'line-join': 'round' },
        paint: { 'line-color': colour, 'line-width': width, 'line-opacity': opacity },
      })
    }
    for (const [name, colour] of [['area', '#ffb000'], ['drawing', '#ffb000']]) {
      map.addSource(name, { type: 'geojson', data: NOTHING })
      map.addLayer({ id: `${name}-halo`, type: 'line', source: name, paint: { 'line-color': '#10151b', 'line-width': 5.5 } })
      map.addLayer({ id: name, type: 'line', source: name, paint: { 'line-color': colour, 'line-width': 3 } })
    }
    map.addLayer({
      id: 'corners',
      type: 'circle',
      source: 'drawing',
      filter: ['==', ['geometry-type'], 'Point'],
      paint: { 'circle-radius': 5, 'circle-color': '#ffb000', 'circle-stroke-width': 2, 'circle-stroke-color': '#10151b' },
    })
  }

  setBorders(level, collection) {
    this.borders[level] = collection
    this.map.getSource(`border-${level}`).setData(collection)
  }

  // counties at once, where they otherwise appear when one comes near
  showCounties(always) {
    if (this.map.getLayer('border-county')) this.map.setLayerZoomRange('border-county', always ? 0 : COUNTIES_FROM, 24)
  }

  seesCounties() {
    return this.map.getZoom() >= COUNTIES_FROM
  }

  set(source, ...geometries) {
    const features = geometries.filter(Boolean).map((geometry) => ({ type: 'Feature', properties: {}, geometry }))
    this.map.getSource(source).setData({ type: 'FeatureCollection', features })
  }

  geometryOf(id) {
    for (const { features } of Object.values(this.borders)) {
      const found = features.find(({ properties }) => properties.id === id)
      if (found) return found.geometry
    }
    return null
  }

  fit([west, south, east, north], padding) {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    this.map.fitBounds([west, south, east, north], { padding, maxZoom: 9.5, animate: !still, duration: 600 })
  }
}
