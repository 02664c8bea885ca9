// The panel of an area: its totals with one sigma, what data told, the series, and files to take away.

import { drawChart } from './chart.mjs'
import { byId, el } from './dom.mjs'
import { formulaText, percent, plain, withSigma } from './numbers.mjs'
import { nameOf, onLanguage, say } from './words.mjs'

// hours asked at a time, so that a page of years does not ask for all of them
const LONGEST = { hour: 14 * 24, day: 366 * 24, month: Infinity }
const STEP = { hour: 1, day: 24, month: 31 * 24 }
const PER = { hour: 'perHour', day: 'perDay', month: 'perMonth' }
// hours of a run of which an area that is drawn is told one by one
const FEW = 72
const FILES = ['csv', 'parquet', 'nc', 'json']

// of the server's question for an area
export function areaQuery(area) {
  if (area.kind === 'region') return { region: area.id }
  if (area.kind === 'point') return { point: `${area.lon},${area.lat}` }
  return { polygon: JSON.stringify({ type: 'Polygon', coordinates: [[...area.ring, area.ring[0]]] }) }
}

export class Panel {
  constructor(state, api, metadata, regions, onError) {
    this.kind = metadata.kind
    this.regions = regions
    this.state = state
    this.api = api
    this.hours = state.hours
    this.gas = formulaText(metadata.species_label)
    this.onError = onError
    this.place = byId('panel')
    this.span = null
    byId('panel-close').addEventListener('click', () => state.set({ area: null }))
    for (const input of byId('freqs').querySelectorAll('input')) {
      input.addEventListener('change', () => state.set({ freq: input.value }))
    }
    onLanguage(() => this.told && this.render())
    // a phone turned on its side, a window made wider: the chart is drawn for its new width
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === this.width) return
      this.width = contentRect.width
      if (this.told) this.chart()
    }).observe(byId('panel-chart'))
  }

  // hours [from, to) of the series: all of them, or as many as may be asked around the hour that is seen
  spanFor({ freq, hour }) {
    const longest = LONGEST[freq]
    const { count } = this.hours
    if (count <= longest) return [0, count]
    const from = Math.min(Math.max(0, 24 * Math.floor((hour - longest / 2) / 24)), count - longest)
    return [from, from + longest]
  }

  async update(values) {
    const { area, freq, sector } = values
    this.place.hidden = !area
    document.body.classList.toggle('with-panel', Boolean(area))
    this.asked?.abort()
    this.told = null
    if (!area) return
    // a run answers each hour of an area that is not one of its regions from its whole solution
    const slow = this.kind === 'run' && area.kind !== 'region' && this.hours.count > FEW
    if (slow && freq === 'hour') {
      this.state.set({ freq: 'day' })
      return
    }
    for (const input of byId('freqs').querySelectorAll('input')) {
      input.checked = input.value === freq
      input.disabled = slow && input.value === 'hour'
    }
    this.span = this.spanFor(values)
    this.asked = new AbortController()
    const { signal } = this.asked
    const query = { ...areaQuery(area), period: this.hours.period(...this.span), sector }
    this.busy(true)
    const told = { area, freq, sector, query, series: null, total: null }
    // the total is soon there, a series of many hours takes longer: each is shown when it comes
    const ask = async (name, frequency) => {
      told[name] = await this.api.get('api/series', { ...query, freq: frequency }, signal)
      if (signal.aborted) return
      this.told = told
      this.render()
    }
    byId('panel-name').textContent = this.nameOfArea(area)
    for (const id of ['panel-facts', 'totals', 'notes', 'panel-chart', 'files']) byId(id).replaceChildren()
    try {
      await Promise.all([ask('total', 'all'), ask('series', freq)])
      this.place.dataset.ready = String(Number(this.place.dataset.ready ?? 0) + 1)
    } catch (error) {
      if (signal.aborted) return
      this.onError(error)
      this.state.set({ area: null })
    } finally {
      if (!signal.aborted) this.busy(false)
    }
  }

  busy(on) {
    byId('panel-busy').hidden = !on
    this.place.setAttribute('aria-busy', on)
  }

  // the hour has changed: the mark in the chart moves; out of the span the series is asked anew
  moveTo(values) {
    if (!this.told) return
    const [from, to] = this.span
    if (values.hour < from || values.hour >= to) {
      this.update(values)
      return
    }
    this.drawn?.setNow(values.hour)
    this.totals()
  }

  nameOfArea(area) {
    if (area.kind === 'point') return say('cellName', { lon: area.lon.toFixed(2), lat: area.lat.toFixed(2) })
    if (area.kind === 'polygon') return say('polygonName')
    return nameOf(this.regions.find(({ id }) => id === area.id) ?? { name: area.id })
  }

  render() {
    const { area, series, total, freq, query } = this.told
    byId('panel-name').textContent = this.nameOfArea(area)
    const { km2, outside, name, name_en: english } = (total ?? series).area
    const facts = [`${plain(km2, km2 < 100 ? 3 : 4)} km²`]
    // the name in the other language
    if (area.kind === 'region' && english && english !== name) facts.unshift(nameOf({ name: english, name_en: name }))
    if (outside > 0.0005) facts.push(say('outside', { n: percent(outside) }))
    byId('panel-facts').textContent = facts.filter(Boolean).join(' · ')
    this.totals()
    this.chart()
    const link = (text, path, parameters) => el('a', { href: this.api.url(path, parameters), download: '' }, text)
    byId('files').replaceChildren(
      el('span', {}, say('downloadSeries')),
      ...FILES.map((format) => link(format.toUpperCase(), 'api/series', { ...query, freq, format })),
    )
  }

  // two columns: the part that holds the hour seen, and the whole span
  totals() {
    const { series, total, sector, freq } = this.told
    const { hour } = this.state.values
    const parts = (series?.time ?? []).map((time) => this.hours.index(time))
    const at = parts.findLastIndex((part) => part <= hour)
    const within = at >= 0 && hour < parts[at] + STEP[freq]
    const [from, to] = this.span
    const day = (index) => this.hours.beijing(index).slice(5)
    const sections = []
    if (total) sections.push(this.total(say('whole', { from: day(from), to: day(to) }), total, sector, total.time.length ? 0 : -1, 'whole'))
    if (series) sections.push(this.total(say(freq === 'hour' ? 'thisHour' : 'thisPart'), series, sector, within ? at : -1, 'part'))
    byId('totals').replaceChildren(...sections)
    const upper = [total, series].some((told) => told?.exact.includes(false))
    byId('notes').textContent = [say('sigma'), upper ? say('upper') : null].filter(Boolean).join(' · ')
  }

  total(title, told, sector, at, kind) {
    const numbers = told.sectors[sector]
    const read = (name) => (at < 0 ? null : numbers[name][at])
    const exact = at < 0 || told.exact[at]
    const sum = (name, bound) => {
      const [value, sigma] = withSigma(read(name), read(`${name}_std`))
      return el(
        'dd',
        { class: name, 'data-total': kind, 'data-name': name, 'data-value': read(name), 'data-sigma': read(`${name}_std`) },
        el('b', {}, value),
        ` ${bound ? '± ≤' : '±'} ${sigma} ${told.unit} ${this.gas}`,
      )
    }
    const share = read('data_share')
    const meter = el('meter', { min: 0, max: 1, value: Math.max(0, share ?? 0), title: say('shareNote'), 'aria-label': say('share') })
    const missing = at >= 0 && told.hours_missing[at] > 0 ? el('p', { class: 'note' }, say('missingHours', { n: told.hours_missing[at] })) : null
    return el(
      'section',
      { class: `total ${kind}` },
      el('h3', {}, title),
      el('dl', {}, el('dt', {}, say('posterior')), sum('posterior', !exact), el('dt', {}, say('prior')), sum('prior', false), el('dt', { title: say('shareNote') }, say('share')), el('dd', { class: 'share' }, meter, ` ${percent(share)}`)),
      missing,
    )
  }

  chart() {
    const { series, sector, freq } = this.told
    if (!series) return
    const numbers = series.sectors[sector]
    if (series.time.length === 0) {
      byId('panel-chart').replaceChildren(el('p', { class: 'note' }, say('noNumbers')))
      return
    }
    const parts = series.time.map((time) => this.hours.index(time))
    this.drawn = drawChart(byId('panel-chart'), {
      times: parts,
      hours: this.hours,
      unit: `${series.unit} ${this.gas} ${say(PER[freq])}`,
      current: this.state.get('hour'),
      step: STEP[freq],
      label: freq === 'hour' ? null : (at) => series.time[at].slice(0, freq === 'day' ? 10 : 7),
      lines: [
        { name: 'prior', values: numbers.prior, sigma: numbers.prior_std, style: 'prior' },
        { name: 'posterior', values: numbers.posterior, sigma: numbers.posterior_std, style: 'posterior' },
      ],
      onPick: (index) => this.state.set({ hour: index }),
    })
  }
}
