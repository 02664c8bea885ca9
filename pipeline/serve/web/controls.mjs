// What is chosen beside the map: layer, sector, what a click chooses, what is shown, the language.

import { byId, el } from './dom.mjs'
import { SHAPES, STATES, drawSymbol } from './symbols.mjs'
import { language, nameOf, onLanguage, say, setLanguage } from './words.mjs'

// one of several, as radio buttons: keys and screen readers know them
function choice(place, group, options, chosen, onChoose) {
  const nodes = options.map(({ name, text }) => {
    const input = el('input', { type: 'radio', name: group, value: name, checked: name === chosen, onchange: () => onChoose(name) })
    return el('label', {}, input, el('span', {}, text))
  })
  place.replaceChildren(...nodes)
}

function check(place, name) {
  for (const input of place.querySelectorAll('input')) input.checked = input.value === name
}

export class Controls {
  // modes: what a click can choose here, none without a map that can be clicked
  constructor(state, metadata, modes, { onMode, onCounties, onStations }) {
    this.state = state
    this.metadata = metadata
    this.modes = modes
    this.mode = modes[0]
    this.onMode = onMode
    byId('counties').addEventListener('change', ({ target }) => onCounties(target.checked))
    byId('stations').addEventListener('change', ({ target }) => onStations(target.checked))
    byId('mode-group').hidden = modes.length === 0
    byId('show-group').hidden = modes.length === 0
    byId('counties').closest('label').hidden = !metadata.levels.includes('county')
    const menu = byId('menu')
    const controls = byId('controls')
    const open = (on) => {
      controls.classList.toggle('open', on)
      menu.setAttribute('aria-expanded', on)
    }
    menu.addEventListener('click', () => open(!controls.classList.contains('open')))
    byId('controls-close').addEventListener('click', () => open(false))
    byId('language').addEventListener('click', () => {
      setLanguage(language() === 'en' ? 'zh' : 'en')
      state.write()
    })
    this.fill()
    onLanguage(() => this.fill())
  }

  fill() {
    const named = (things) => things.map((thing) => ({ name: thing.name, text: nameOf(thing) }))
    choice(byId('layers'), 'layer', named(this.metadata.layers), this.state.get('layer'), (layer) => this.state.set({ layer }))
    choice(byId('sectors'), 'sector', named(this.metadata.sectors), this.state.get('sector'), (sector) => this.state.set({ sector }))
    choice(byId('modes'), 'mode', this.modes.map((name) => ({ name, text: say(name) })), this.mode, (mode) => this.choose(mode))
    this.legend()
  }

  choose(mode) {
    this.mode = mode
    check(byId('modes'), mode)
    this.onMode(mode)
  }

  update({ layer, sector }) {
    check(byId('layers'), layer)
    check(byId('sectors'), sector)
  }

  legend() {
    const entry = (shape, state, word) => {
      const canvas = el('canvas', { 'aria-hidden': 'true' })
      drawSymbol(canvas, shape, state)
      return el('span', {}, canvas, say(word))
    }
    byId('station-legend').replaceChildren(
      ...Object.keys(STATES).map((name) => entry('city', name, name)),
      ...SHAPES.filter((shape) => shape !== 'other').map((shape) => entry(shape, 'silent', shape)),
    )
  }
}
