// Makes pipeline/serve/web/vendor-* of the packages the lock file pins. Run: npm ci && node build.mjs
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const modules = join(here, 'node_modules')
const web = resolve(here, process.argv[2] ?? '../../pipeline/serve/web')
// compiled into one of the bundles, found in the lists of inputs esbuild and maplibre-gl give
const compiled = [
  'maplibre-gl', '@carbonplan/zarr-layer', '@developmentseed/raster-reproject', '@zarrita/storage', 'delaunator',
  'mgrs', 'proj4', 'robust-predicates', 'wkt-parser', 'zarrita',
  '@mapbox/point-geometry', '@mapbox/tiny-sdf', '@mapbox/unitbezier', '@mapbox/vector-tile', '@maplibre/geojson-vt',
  '@maplibre/maplibre-gl-style-spec', '@maplibre/mlt', '@maplibre/vt-pbf', 'bidi-js', 'earcut', 'gl-matrix', 'kdbush',
  'murmurhash-js', 'pbf', 'potpack', 'quickselect', 'tinyqueue',
]

mkdirSync(web, { recursive: true })
const absent = join(here, 'vendor-absent.mjs')
const made = await build({
  entryPoints: [join(here, 'vendor-entry.mjs')],
  absWorkingDir: here,
  alias: { 'numcodecs/blosc': absent, 'numcodecs/lz4': absent, 'numcodecs/zstd': absent },
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  metafile: true,
  write: false,
})
const files = { 'vendor-zarr-layer.mjs': made.outputFiles[0].contents }
for (const [name, source] of [
  ['vendor-maplibre.mjs', 'maplibre-gl.mjs'],
  ['vendor-maplibre-worker.mjs', 'maplibre-gl-worker.mjs'],
  ['vendor-maplibre.css', 'maplibre-gl.css'],
]) {
  // without the line that names a source map, a file the page does not have
  const text = readFileSync(join(modules, 'maplibre-gl/dist', source), 'utf8')
  files[name] = Buffer.from(text.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n'))
}

const maps = ['maplibre-gl.mjs.map', 'maplibre-gl-worker.mjs.map'].map((name) =>
  JSON.parse(readFileSync(join(modules, 'maplibre-gl/dist', name), 'utf8')),
)
const sources = [...Object.keys(made.metafile.inputs), ...maps.flatMap((map) => map.sources)]
const packages = sources.map((path) => path.match(/.*node_modules\/((@[^/]+\/)?[^/]+)/)?.[1])
for (const name of new Set(packages.filter(Boolean))) {
  if (!compiled.includes(name)) throw new Error(`${name} is compiled in: add it to the licences`)
}

const sections = compiled.map((name) => {
  const folder = join(modules, name)
  const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  // one package tells its licence at the end of its README alone
  const told = readFileSync(join(folder, file ?? 'README.md'), 'utf8').replace(file ? '' : /^[^]*## License/, '').trim()
  return `${'='.repeat(100)}\n${name} ${version} (${license})\n\n${told}\n`
})
files['vendor-licences.txt'] = Buffer.from(sections.join('\n'))

const sums = {}
for (const [name, bytes] of Object.entries(files)) {
  writeFileSync(join(web, name), bytes)
  sums[name] = createHash('sha256').update(bytes).digest('hex')
}
writeFileSync(join(web, 'vendor.json'), `${JSON.stringify(sums, null, 2)}\n`)
for (const [name, bytes] of Object.entries(files)) console.log(name, bytes.length, sums[name])
