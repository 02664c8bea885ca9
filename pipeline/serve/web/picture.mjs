// The map as a picture of the server's, for browsers without WebGL: same hours, sectors and layers, regions from a list.

import { byId, el } from './dom.mjs'
import { nameOf, onLanguage, say } from './words.mjs'

export class Picture {
  constructor(state, api, metadata, regions) {
    this.state = state
    this.api = api
    this.metadata = metadata
    this.regions = regions
    this.image = el('img', { class: 'picture' })
    this.select = byId('region-select')
    byId('map').replaceChildren(this.image)
    // the picture has a bar of its own
    document.body.classList.add('as-picture')
    byId('no-webgl').hidden = false
    byId('region-group').hidden = false
    this.select.addEventListener('change', () => {
      const id = this.select.value
      state.set({ area: id ? { kind: 'region', id } : null })
    })
    this.fill()
    onLanguage(() => {
      this.fill()
      this.show(state.values)
    })
    state.watch(['area'], ({ area }) => {
      this.select.value = area?.kind === 'region' ? area.id : ''
    })
  }

  fill() {
    const chosen = this.select.value
    const option = ({ id, ...names }) => el('option', { value: id }, nameOf(names))
    const groups = this.metadata.levels.map((level) =>
      el('optgroup', { label: say(level) }, ...this.regions.filter((region) => region.level === level).map(option)),
    )
    this.select.replaceChildren(el('option', { value: '' }, say('none')), ...groups)
    this.select.value = chosen
  }

  // milliseconds until the picture is there, or null when another was asked meanwhile
  async show({ layer, sector, hour }) {
    const begun = performance.now()
    const source = this.api.url('api/map.png', { layer, sector, hour: this.state.hours.name(hour) })
    const find = (things, name) => nameOf(things.find((thing) => thing.name === name))
    this.image.alt = say('picture', {
      layer: find(this.metadata.layers, layer),
      sector: find(this.metadata.sectors, sector),
      hour: `${this.state.hours.utc(hour)} UTC`,
    })
    if (this.image.src === source) return null
    this.image.src = source
    try {
      await this.image.decode()
    } catch {
      // another picture took its place, or there is none of this hour: the words beside it say so
      return null
    }
    return performance.now() - begun
  }
}
