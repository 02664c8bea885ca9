// The coloured map: one frame (layer, sector, hour) drawn by the library's layer on the map's own canvas.

import { ZarrLayer } from './vendor-zarr-layer.mjs'
import { paletteOf } from './colours.mjs'

// a drawing that takes longer, milliseconds, is felt; where many do, hours that follow each other within HURRY are drawn
// coarser, and sharp again when time has come to rest: without a graphics card a drawing takes as long as it has pixels
const SLOW = 140
const MANY = 3
const HURRY = 1000
const COARSE = 0.66

function nextPaint() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
}

export class Field {
  constructor(metadata, chunks) {
    this.metadata = metadata
    this.chunks = chunks
    this.sectors = metadata.sectors.map(({ name }) => name)
    this.running = false
    this.shown = null
    this.slow = 0
    this.ended = -Infinity
  }

  frameOf({ layer, sector, hour }) {
    return { layer, sector: this.sectors.indexOf(sector), hour }
  }

  selector({ layer, sector, hour }) {
    const at = (index) => ({ selected: index, type: 'index' })
    return { layer: at(this.chunks.layers.indexOf(layer)), sector: at(sector), time: at(hour) }
  }

  // put on a map below a layer; done when the first frame is painted
  async add(map, before, values) {
    const { grid } = this.metadata
    const frame = this.frameOf(values)
    const palette = paletteOf(this.metadata, values.layer, values.sector)
    await this.chunks.load(frame)
    this.inner = new ZarrLayer({
      id: 'field-inner',
      store: this.chunks,
      variable: 'map',
      zarrVersion: 3,
      selector: this.selector(frame),
      colormap: palette.colours,
      clim: palette.limits,
      proj4: grid.proj4,
      bounds: grid.bounds,
      latIsAscending: true,
      renderingMode: '2d',
    })
    this.map = map
    this.sharp = map.getPixelRatio()
    this.palette = palette.name
    const painted = this.awaitFresh(palette)
    map.addLayer(this.custom(), before)
    await painted
    this.shown = frame
    await nextPaint()
  }

  // the library's layer behind hooks of our own: colours must change in the very draw that has the new numbers
  custom() {
    const { inner } = this
    return {
      id: 'field',
      type: 'custom',
      renderingMode: '2d',
      onAdd: (map, gl) => inner.onAdd(this.withholding(map), gl),
      onRemove: (map, gl) => inner.onRemove(map, gl),
      prerender: (gl, parameters) => inner.prerender(gl, parameters),
      render: (gl, parameters) => {
        const fresh = this.waiting && this.isFresh() ? this.waiting : null
        if (fresh?.palette && fresh.palette.name !== this.palette) {
          inner.setColormap(fresh.palette.colours)
          inner.setClim(fresh.palette.limits)
          this.palette = fresh.palette.name
        }
        inner.render(gl, parameters)
        if (!fresh) return
        this.waiting = null
        fresh.resolve()
      },
    }
  }

  // The library asks for a drawing at each of its steps. Without a graphics card a drawing takes a tenth of a second,
  // so while a frame is on its way only the one that shows it is let through.
  withholding(map) {
    return new Proxy(map, {
      get: (target, name) => {
        const value = target[name]
        if (name === 'triggerRepaint') return () => (!this.waiting || (this.isFresh())) && target.triggerRepaint()
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  // True once the numbers on the card are those of the last selector, or the map looks elsewhere and needs none. The
  // library does not tell this; its version is pinned with the page.
  isFresh() {
    const { mode } = this.inner
    if (!mode?.activeLevel || this.selected === false) return false
    if (mode.lastVisibleRegionsLevel === 0 && mode.lastVisibleRegions.length === 0) return true
    const regions = [...mode.regionCache.values()]
    return (
      regions.length > 0 &&
      regions.every((region) => region.data && !region.loading && region.selectorVersion === mode.selectorVersion)
    )
  }

  awaitFresh(palette) {
    return new Promise((resolve) => {
      this.waiting = { palette, resolve }
    })
  }

  // Show a frame: milliseconds until it was painted, or null when a newer one took its place. One is drawn at a time
  // and of those asked meanwhile only the newest, so a dragged slider never builds a queue.
  async show(values, ahead) {
    this.next = { values, ahead }
    const frame = this.frameOf(values)
    this.chunks.want([frame, ...ahead.map((one) => this.frameOf(one))])
    if (this.running) return null
    this.running = true
    try {
      let time = null
      while (this.next) {
        const { values: wanted } = this.next
        this.next = null
        time = await this.draw(wanted)
      }
      return time
    } finally {
      this.running = false
    }
  }

  async draw(values) {
    const begun = performance.now()
    const frame = this.frameOf(values)
    try {
      await this.chunks.load(frame)
    } catch (error) {
      if (error.name === 'AbortError') return null
      throw error
    }
    if (this.next) return null
    const palette = paletteOf(this.metadata, values.layer, values.sector)
    const ready = performance.now()
    const coarse = this.slow >= MANY && begun - this.ended < HURRY
    this.selected = false
    const painted = this.awaitFresh(palette)
    await this.inner.setSelector(this.selector(frame))
    this.selected = true
    // the library looks for numbers when it draws; asked now, they are there for the very next drawing
    this.inner.prerender(this.map.painter.context.gl)
    this.sharpen(coarse ? Math.min(COARSE, this.sharp) : this.sharp)
    if (this.isFresh()) this.map.triggerRepaint()
    await painted
    this.shown = frame
    await nextPaint()
    this.ended = performance.now()
    // a coarse drawing that is quick says nothing about a sharp one
    this.slow = Math.min(MANY + 1, Math.max(0, this.slow + (this.ended - ready > SLOW ? 1 : coarse ? 0 : -1)))
    clearTimeout(this.resting)
    this.resting = setTimeout(() => this.sharpen(this.sharp), HURRY)
    return this.ended - begun
  }

  sharpen(ratio) {
    if (this.map.getPixelRatio() !== ratio) this.map.setPixelRatio(ratio)
  }

  // the value shown in a cell: null without one, undefined while it is not there
  valueAt({ row, column }) {
    return this.shown ? this.chunks.peek(this.shown, row, column) : undefined
  }
}
