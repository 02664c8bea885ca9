// The map that is drawn here: its layers, what is under the pointer, and what a click on it chooses.

import { Basemap } from './basemap.mjs'
import { Chunks } from './chunks.mjs'
import { byId } from './dom.mjs'
import { Draw } from './draw.mjs'
import { Field } from './field.mjs'
import { Grid } from './grid.mjs'
import { Labels } from './labels.mjs'
import { featureAt } from './places.mjs'
import { Stations } from './stations.mjs'
import { say } from './words.mjs'

// hours fetched ahead while playing
const AHEAD = 3
// a server reads no longer address than about 4 kB
const LONGEST_URL = 3900
const WIDE = 900
// what the panel of an area takes: pixels at the side, or a share from below
const PANEL = 430
const SHEET = 0.6

export class Scene {
  constructor({ state, api, metadata, bar, tell, onError }) {
    Object.assign(this, { state, api, metadata, bar, tell, onError })
    this.grid = new Grid(metadata.grid)
    this.basemap = new Basemap(byId('map'), metadata.grid.lonlat_bounds, state.get('view'), this.padding())
    this.map = this.basemap.map
    this.chunks = new Chunks(api.url(metadata.zarr).split('?')[0], metadata.layers.map(({ name }) => name))
    this.field = new Field(metadata, this.chunks)
    this.everyCounty = false
    this.asked = {}
    this.draw = new Draw(this.basemap, { onEnd: (ring) => this.chooseRing(ring), onChange: (n) => this.drawing(n) })
  }

  // room the cards take from the map
  padding() {
    return innerWidth < WIDE ? { top: 70, bottom: 170, left: 12, right: 12 } : { top: 20, bottom: 120, left: 270, right: 60 }
  }

  async begin() {
    await Promise.all([this.basemap.loaded, this.chunks.open()])
    const { levels } = this.metadata
    this.basemap.prepare(levels)
    await this.field.add(this.map, levels.length ? `border-${levels.at(-1)}` : 'area-halo', this.state.values)
    this.labels = new Labels(this.map)
    this.stations = new Stations(this.map, this.api, this.state, this.onError)
    this.stations.prepare()
    this.listen()
  }

  listen() {
    this.map.on('click', (event) => this.click(event))
    this.map.on('mousemove', (event) => this.hover(event))
    this.map.on('mouseout', () => this.bar.read(undefined))
    this.map.on('moveend', () => {
      const { lng, lat } = this.map.getCenter()
      this.state.set({ view: [lng.toFixed(3), lat.toFixed(3), this.map.getZoom().toFixed(2)].map(Number) })
      this.near()
    })
    // a link pasted into the page that is open
    addEventListener('hashchange', () => {
      const [lon, lat, zoom] = this.state.read().view ?? []
      if (zoom !== undefined) this.map.jumpTo({ center: [lon, lat], zoom })
    })
    byId('draw-finish').addEventListener('click', () => this.draw.finish())
    byId('draw-undo').addEventListener('click', () => this.draw.undo())
    byId('draw-cancel').addEventListener('click', () => this.draw.stop())
    addEventListener('keydown', ({ key }) => {
      if (!this.draw.active) return
      if (key === 'Enter') this.draw.finish()
      if (key === 'Escape') this.draw.stop()
      if (key === 'Backspace') this.draw.undo()
    })
  }

  // borders of a level, once
  ask(level) {
    if (!this.metadata.levels.includes(level)) return Promise.resolve()
    this.asked[level] ??= this.api.get('api/borders', { level }).then((collection) => {
      this.basemap.setBorders(level, collection)
      if (level !== 'province') this.labels.add(level, collection)
      this.near()
    })
    return this.asked[level].catch((error) => {
      delete this.asked[level]
      this.onError(error)
    })
  }

  // names and borders fit for how near one is
  near() {
    const close = this.basemap.seesCounties()
    if (this.everyCounty || close) this.ask('county')
    // names of counties need room even where their borders do not
    this.labels.update(this.metadata.levels.filter((level) => level !== 'county' || close))
  }

  showCounties(on) {
    this.everyCounty = on
    this.basemap.showCounties(on)
    this.near()
  }

  setMode(mode) {
    this.mode = mode
    if (mode === 'polygon') this.draw.begin()
    else if (this.draw.active) this.draw.stop()
    if (mode === 'county') this.showCounties(true)
    byId('counties').checked = this.everyCounty
  }

  drawing(corners) {
    byId('drawing').hidden = !this.draw.active
    byId('draw-finish').disabled = corners < 3
    byId('draw-undo').disabled = corners === 0
  }

  click(event) {
    if (this.draw.active) {
      this.draw.click(event)
      return
    }
    const station = this.stations.at(event)
    if (station) {
      this.stations.show(station)
      return
    }
    const { lng, lat } = event.lngLat
    if (this.mode === 'polygon') this.draw.begin()
    else if (this.mode === 'cell') this.chooseCell(lng, lat)
    else this.chooseRegion(this.mode, lng, lat)
  }

  chooseCell(lng, lat) {
    const cell = this.grid.cellAt(lng, lat)
    if (!cell) return
    const [lon, north] = this.grid.centre(cell)
    this.state.set({ area: { kind: 'point', lon: Number(lon.toFixed(5)), lat: Number(north.toFixed(5)) } })
  }

  async chooseRegion(level, lng, lat) {
    await this.ask(level)
    const collection = this.basemap.borders[level]
    const found = collection && featureAt(collection, lng, lat)
    if (found) this.state.set({ area: { kind: 'region', id: found.properties.id } })
  }

  chooseRing(ring) {
    const area = { kind: 'polygon', ring }
    const geometry = JSON.stringify({ type: 'Polygon', coordinates: [[...ring, ring[0]]] })
    if (this.api.url('api/series', { polygon: geometry }).length > LONGEST_URL) this.tell(say('tooLong'), say('fewer'))
    else this.state.set({ area })
  }

  hover({ lngLat: { lng, lat } }) {
    const cell = this.grid.cellAt(lng, lat)
    const value = cell ? this.field.valueAt(cell) : null
    if (value !== undefined) this.bar.read(value, `${lng.toFixed(2)}°E ${lat.toFixed(2)}°N`)
  }

  // hours after this one are fetched while time runs
  show(values, playing) {
    const { hours } = this.state
    const ahead = playing ? Array.from({ length: AHEAD }, (_, k) => ({ ...values, hour: (values.hour + 1 + k) % hours.count })) : []
    return this.field.show(values, ahead)
  }

  async showArea(area, region) {
    // the map's middle is that of what the panel leaves free
    const wide = innerWidth >= WIDE
    const sheet = SHEET * this.map.getContainer().clientHeight
    this.map.setPadding({ top: 0, left: 0, right: area && wide ? PANEL : 0, bottom: area && !wide ? sheet : 0 })
    if (!area) {
      this.basemap.set('area')
      return
    }
    if (area.kind === 'polygon') this.basemap.set('area', { type: 'LineString', coordinates: [...area.ring, area.ring[0]] })
    if (area.kind === 'point') {
      const cell = this.grid.cellAt(area.lon, area.lat)
      this.basemap.set('area', cell && { type: 'LineString', coordinates: this.grid.outline(cell) })
    }
    if (area.kind === 'region') {
      await this.ask(region?.level)
      this.basemap.set('area', this.basemap.geometryOf(area.id))
    }
  }

  onScreen(lon, lat) {
    const { x, y } = this.map.project([lon, lat])
    const { left, top } = this.map.getContainer().getBoundingClientRect()
    return [left + x, top + y]
  }

  fit(bounds) {
    const padding = innerWidth < WIDE ? { top: 60, bottom: 20, left: 20, right: 60 } : { top: 60, bottom: 140, left: 290, right: 40 }
    this.basemap.fit(bounds, padding)
  }
}
