// What is seen: the hour, the sector, the layer, the area, the view. It stands in the hash, so a link shows it again.

function areaText(area) {
  if (!area) return null
  if (area.kind === 'region') return `region:${area.id}`
  if (area.kind === 'point') return `point:${area.lon},${area.lat}`
  return `polygon:${area.ring.map((corner) => corner.join(',')).join(';')}`
}

function areaOf(text) {
  const [kind, told = ''] = (text ?? '').split(/:(.*)/s)
  if (kind === 'region' && told) return { kind, id: told }
  const corners = told.split(';').map((corner) => corner.split(',').map(Number))
  if (!corners.every((corner) => corner.length === 2 && corner.every(Number.isFinite))) return null
  if (kind === 'point' && corners.length === 1) return { kind, lon: corners[0][0], lat: corners[0][1] }
  if (kind === 'polygon' && corners.length >= 3) return { kind, ring: corners }
  return null
}

function viewOf(text) {
  const numbers = (text ?? '').split(',').map(Number)
  return numbers.length === 3 && numbers.every(Number.isFinite) ? numbers : null
}

export class State {
  constructor(hours, metadata) {
    this.hours = hours
    this.sectors = metadata.sectors.map(({ name }) => name)
    this.layers = metadata.layers.map(({ name }) => name)
    this.watchers = []
    const known = (names, wanted) => (names.includes(wanted) ? wanted : names[0])
    this.defaults = {
      hour: hours.newest(),
      sector: known(this.sectors, 'net'),
      layer: known(this.layers, 'flux_posterior'),
      area: null,
      freq: 'hour',
      view: null,
    }
    this.values = { ...this.defaults, ...this.read() }
    addEventListener('hashchange', () => this.set({ ...this.defaults, ...this.read() }))
  }

  get(name) {
    return this.values[name]
  }

  // of the hash; what it does not say, or says wrongly, is left out
  read() {
    const hash = new URLSearchParams(location.hash.slice(1))
    const found = {}
    const hour = this.hours.index(hash.get('t'))
    if (hour !== null) found.hour = hour
    if (this.sectors.includes(hash.get('s'))) found.sector = hash.get('s')
    if (this.layers.includes(hash.get('l'))) found.layer = hash.get('l')
    if (['day', 'month'].includes(hash.get('f'))) found.freq = hash.get('f')
    found.area = areaOf(hash.get('a'))
    found.view = viewOf(hash.get('m'))
    return found
  }

  write() {
    const { hour, sector, layer, area, freq, view } = this.values
    const told = {
      t: this.hours.name(hour),
      s: sector,
      l: layer,
      a: areaText(area),
      f: area && freq !== 'hour' ? freq : null,
      m: view?.join(','),
      lang: document.documentElement.lang === 'en' ? 'en' : 'zh',
    }
    const parts = Object.entries(told).filter(([, value]) => value)
    // commas, colons and semicolons are allowed in a hash and far easier to read than their codes
    const hash = parts.map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%(2C|3A|3B)/g, decodeURIComponent)}`)
    history.replaceState(null, '', `#${hash.join('&')}`)
  }

  set(changes) {
    const changed = Object.keys(changes).filter((name) => !Object.is(changes[name], this.values[name]))
    if (changed.length === 0) return
    Object.assign(this.values, changes)
    // a drag of the slider changes the hour many times: the browser refuses too many writes
    clearTimeout(this.writing)
    this.writing = setTimeout(() => this.write(), 200)
    for (const [names, watcher] of this.watchers) if (names.some((name) => changed.includes(name))) watcher(this.values)
  }

  // call now and whenever one of the names changes
  watch(names, watcher) {
    this.watchers.push([names, watcher])
    watcher(this.values)
  }
}
