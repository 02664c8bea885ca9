// The colour bar: numbers and unit of the layer, and the value under the pointer.

import { gradient, paletteOf } from './colours.mjs'
import { el } from './dom.mjs'
import { formulaText, plain, tickText, ticks, unitText } from './numbers.mjs'
import { nameOf, say } from './words.mjs'

export class ColourBar {
  constructor(place, metadata) {
    this.metadata = metadata
    this.unit = unitText(metadata.unit)
    this.gas = formulaText(metadata.species_label)
    this.title = el('div', { class: 'bar-title' })
    this.strip = el('div', { class: 'bar-strip', 'aria-hidden': 'true' })
    this.mark = el('div', { class: 'bar-mark', hidden: true })
    this.scale = el('div', { class: 'bar-scale' })
    this.reading = el('div', { class: 'bar-reading' })
    place.replaceChildren(this.title, el('div', { class: 'bar-box' }, this.strip, this.mark), this.scale, this.reading)
  }

  update({ layer, sector }) {
    const { colours, limits } = paletteOf(this.metadata, layer, sector)
    const [low, high] = limits
    this.limits = limits
    const told = [this.metadata.layers.find(({ name }) => name === layer), this.metadata.sectors.find(({ name }) => name === sector)]
    this.title.replaceChildren(el('b', {}, told.map(nameOf).join(' · ')), ` ${this.gas} ${this.unit}`)
    this.strip.style.background = gradient(colours)
    this.scale.replaceChildren(
      ...ticks(low, high, 5).map((value) => {
        const tick = el('span', {}, tickText(value))
        tick.style.left = `${((value - low) / (high - low)) * 100}%`
        return tick
      }),
    )
    this.sign = low < 0 ? say('upward') : ''
    this.read(undefined)
  }

  // undefined: the pointer is nowhere
  read(value, where = '') {
    this.mark.hidden = value === undefined || value === null
    if (value === undefined) {
      this.reading.textContent = this.sign
      return
    }
    this.reading.textContent = `${where}  ${value === null ? '–' : `${plain(value, 3)} ${this.unit}`}`
    if (value === null) return
    const [low, high] = this.limits
    const share = Math.min(Math.max((value - low) / (high - low), 0), 1)
    this.mark.style.left = `${share * 100}%`
  }
}
