// A polygon drawn by hand: corners by clicks, the end by a double click, Enter or a button, Escape or a button gives up.

const SAME_PLACE = 4

export class Draw {
  constructor(basemap, { onEnd, onChange }) {
    this.basemap = basemap
    this.map = basemap.map
    this.onEnd = onEnd
    this.onChange = onChange
    this.corners = []
    this.active = false
    this.map.on('mousemove', ({ lngLat }) => this.active && this.preview(lngLat))
    this.map.on('dblclick', () => this.active && this.finish())
  }

  begin() {
    this.active = true
    this.corners = []
    this.map.doubleClickZoom.disable()
    this.map.getCanvas().style.cursor = 'crosshair'
    this.preview(null)
  }

  stop() {
    this.active = false
    this.corners = []
    this.map.getCanvas().style.cursor = ''
    // the click that ends a polygon would zoom the map as well
    setTimeout(() => this.active || this.map.doubleClickZoom.enable(), 300)
    this.basemap.set('drawing')
    this.onChange(0)
  }

  click({ lngLat, point }) {
    const last = this.corners.at(-1)
    // the two clicks of a double click are one corner
    if (last && this.map.project(last).dist(point) < SAME_PLACE) return
    this.corners.push([lngLat.lng, lngLat.lat])
    this.preview(null)
  }

  undo() {
    this.corners.pop()
    this.preview(null)
  }

  finish() {
    if (this.corners.length < 3) return
    // five decimals are a metre
    const ring = this.corners.map(([lon, lat]) => [Number(lon.toFixed(5)), Number(lat.toFixed(5))])
    this.stop()
    this.onEnd(ring)
  }

  preview(pointer) {
    const line = pointer ? [...this.corners, [pointer.lng, pointer.lat]] : this.corners
    const closed = line.length > 2 ? [...line, line[0]] : line
    this.basemap.set(
      'drawing',
      closed.length > 1 ? { type: 'LineString', coordinates: closed } : null,
      ...this.corners.map((corner) => ({ type: 'Point', coordinates: corner })),
    )
    this.onChange(this.corners.length)
  }
}
