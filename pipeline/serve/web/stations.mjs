// Stations on the map: shape by class, colour by what became of the hour; a click opens their numbers and a chart.

import { Popup } from './vendor-maplibre.mjs'
import { drawChart } from './chart.mjs'
import { el } from './dom.mjs'
import { plain } from './numbers.mjs'
import { SHAPES, STATES, drawSymbol } from './symbols.mjs'
import { nameOf, say } from './words.mjs'

// hours shown around the one that is seen
const WINDOW = 72

function shapeOf(name) {
  return SHAPES.includes(name) ? name : 'other'
}

function timeText(hours, index) {
  return `${hours.beijing(index).slice(5)} ${say('beijing')}`
}

export class Stations {
  constructor(map, api, state, onError) {
    this.map = map
    this.api = api
    this.state = state
    this.hours = state.hours
    this.onError = onError
    this.byId = new Map()
  }

  prepare() {
    const canvas = document.createElement('canvas')
    for (const shape of SHAPES) {
      for (const name of Object.keys(STATES)) {
        this.map.addImage(`${shape}-${name}`, drawSymbol(canvas, shape, name), { pixelRatio: 2 })
      }
    }
    this.map.addSource('stations', { type: 'geojson', data: { type: 'FeatureCollection', features: [] } })
    this.map.addLayer({
      id: 'stations',
      type: 'symbol',
      source: 'stations',
      layout: {
        'icon-image': ['get', 'icon'],
        'icon-allow-overlap': true,
        'icon-ignore-placement': true,
        'icon-size': ['interpolate', ['linear'], ['zoom'], 6, 0.62, 9, 0.95],
        // small ones below
        'symbol-sort-key': ['get', 'rank'],
      },
    })
    this.map.on('mouseenter', 'stations', () => this.map.getCanvas().classList.add('pointing'))
    this.map.on('mouseleave', 'stations', () => this.map.getCanvas().classList.remove('pointing'))
  }

  toggle(on) {
    this.map.setLayoutProperty('stations', 'visibility', on ? 'visible' : 'none')
  }

  // what became of them in an hour; the newest question alone counts
  async update(hour) {
    this.asked?.abort()
    // what became of an hour without numbers nobody knows, and the server is not asked
    if (this.hours.isMissing(hour)) {
      const unknown = { state: 'unknown', why: '', value: null, error: null, prior: null, posterior: null }
      this.put([...this.byId.values()].map((station) => ({ ...station, ...unknown })))
      return
    }
    this.asked = new AbortController()
    const { signal } = this.asked
    try {
      const { stations } = await this.api.get('api/stations', { hour: this.hours.name(hour) }, signal)
      if (!signal.aborted) this.put(stations)
    } catch (error) {
      if (!signal.aborted) this.onError(error)
    }
  }

  put(stations) {
    this.byId = new Map(stations.map((station) => [station.id, station]))
    const features = stations
      .filter(({ lon, lat }) => Number.isFinite(lon) && Number.isFinite(lat))
      .map((station) => {
        const shape = shapeOf(station.class)
        const icon = `${shape}-${station.state in STATES ? station.state : 'unknown'}`
        return {
          type: 'Feature',
          properties: { id: station.id, icon, rank: shape === 'micro' ? 0 : 1 },
          geometry: { type: 'Point', coordinates: [station.lon, station.lat] },
        }
      })
    this.map.getSource('stations').setData({ type: 'FeatureCollection', features })
    const open = this.open && this.byId.get(this.open)
    if (open) this.describe(open)
  }

  at({ point }) {
    const reach = matchMedia('(pointer: coarse)').matches ? 14 : 4
    const box = [[point.x - reach, point.y - reach], [point.x + reach, point.y + reach]]
    const [found] = this.map.queryRenderedFeatures(box, { layers: ['stations'] })
    return found ? this.byId.get(found.properties.id) : null
  }

  show(station) {
    this.popup?.remove()
    this.open = station.id
    this.facts = el('dl', { class: 'facts' })
    this.title = el('h3')
    this.chart = el('div', { class: 'chart' })
    const content = el('div', { class: 'station', 'data-station': station.id }, this.title, this.facts, this.chart)
    this.popup = new Popup({ maxWidth: '340px', offset: 12, focusAfterOpen: false })
      .setLngLat([station.lon, station.lat])
      .setDOMContent(content)
      .addTo(this.map)
    const { id } = station
    this.popup.on('close', () => {
      if (this.open === id) this.open = null
    })
    this.describe(station)
    this.drawSeries(station)
  }

  // the numbers of the hour; kept up to date while the popup is open
  describe(station) {
    const unit = this.unit ?? ''
    const number = (value) => (value === null || value === undefined ? null : `${plain(value, 5)} ${unit}`)
    const height = Number.isFinite(station.height) ? say('metres', { n: plain(station.height, 3) }) : null
    const error = Number.isFinite(station.error) ? ` ± ${plain(station.error, 2)}` : ''
    const rows = [
      ['status', `${say(station.state)} · ${timeText(this.hours, this.state.get('hour'))}`],
      ['why', station.why || null],
      ['value', Number.isFinite(station.value) ? `${plain(station.value, 5)}${error} ${unit}` : null],
      ['prior', number(station.prior)],
      ['posterior', number(station.posterior)],
      ['height', height],
    ]
    this.title.replaceChildren(nameOf(station), el('small', {}, ` ${station.id} · ${say(station.class)}`))
    this.facts.replaceChildren(
      ...rows.filter(([, text]) => text).flatMap(([word, text]) => [el('dt', {}, say(word)), el('dd', {}, text)]),
    )
  }

  async drawSeries({ id }) {
    const { hours } = this
    const hour = this.state.get('hour')
    const period = hours.period(Math.max(0, hour - WINDOW / 2), Math.min(hours.count, hour + WINDOW / 2))
    try {
      const told = await this.api.get(`api/stations/${encodeURIComponent(id)}`, { period })
      if (this.open !== id || told.time.length === 0) return
      this.unit = told.unit
      const station = this.byId.get(id)
      if (station) this.describe(station)
      this.chartOf(told)
    } catch (error) {
      this.onError(error)
    }
  }

  chartOf(told) {
    const only = (flag) => told.value.map((value, at) => (Boolean(told.used[at]) === flag ? value : null))
    drawChart(this.chart, {
      times: told.time.map((time) => this.hours.index(time)),
      hours: this.hours,
      unit: told.unit,
      height: 150,
      current: this.state.get('hour'),
      step: 1,
      lines: [
        { name: 'prior', values: told.prior, style: 'prior' },
        { name: 'posterior', values: told.posterior, style: 'posterior' },
        { name: 'observed', values: only(true), sigma: told.error, style: 'observed', points: true },
        { name: 'notUsed', values: only(false), style: 'unused', points: true },
      ],
      onPick: (index) => this.state.set({ hour: index }),
    })
    // with the chart in it the popup may have to stand on the other side of its station
    this.popup.setLngLat(this.popup.getLngLat())
  }
}
