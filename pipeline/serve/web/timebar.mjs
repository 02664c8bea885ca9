// The bar of time: step, play, drag, keys; days are marked, hours without numbers are hatched.

import { byId, el } from './dom.mjs'
import { say } from './words.mjs'

// shortest time a frame stands when playing
const STANDS = 450

export class TimeBar {
  constructor(state, shown) {
    this.state = state
    this.hours = state.hours
    // resolves when what the state says is on the screen: playing waits for it
    this.shown = shown
    this.playing = false
    this.slider = byId('slider')
    this.playButton = byId('play')
    this.date = byId('date')
    this.slider.max = this.hours.count - 1
    this.date.min = this.hours.name(0).slice(0, 10)
    this.date.max = this.hours.name(this.hours.count - 1).slice(0, 10)
    this.slider.addEventListener('input', () => this.go(Number(this.slider.value)))
    byId('back').addEventListener('click', () => this.step(-1))
    byId('forward').addEventListener('click', () => this.step(1))
    this.playButton.addEventListener('click', () => (this.playing ? this.pause() : this.play()))
    this.date.addEventListener('change', () => {
      const midnight = this.hours.index(`${this.date.value}T00Z`)
      if (midnight !== null) this.go(midnight)
    })
    addEventListener('keydown', (event) => this.key(event))
    this.marks()
  }

  go(hour) {
    this.pause()
    this.state.set({ hour: this.hours.clamp(hour) })
  }

  step(by) {
    this.go(this.state.get('hour') + by)
  }

  // arrows move by an hour, with shift by a day; a field that is being typed in keeps its keys, the slider its own
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    if (event.target.closest?.('input, select, textarea, [role=listbox]')) return
    const sign = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (sign) {
      event.preventDefault()
      this.step(sign * (event.shiftKey ? 24 : 1))
    } else if (event.key === ' ' && event.target.tagName !== 'BUTTON') {
      event.preventDefault()
      if (this.playing) this.pause()
      else this.play()
    }
  }

  async play() {
    this.playing = true
    this.label()
    const run = (this.run = {})
    while (this.playing && this.run === run) {
      const next = (this.state.get('hour') + 1) % this.hours.count
      const stands = new Promise((resolve) => setTimeout(resolve, STANDS))
      this.state.set({ hour: next })
      await Promise.all([this.shown(), stands])
    }
  }

  pause() {
    this.playing = false
    this.label()
  }

  label() {
    const word = this.playing ? 'pause' : 'play'
    this.playButton.dataset.label = word
    this.playButton.setAttribute('aria-label', say(word))
    this.playButton.title = say(word)
    this.playButton.classList.toggle('playing', this.playing)
  }

  update({ hour }) {
    const { hours } = this
    this.slider.value = hour
    this.slider.setAttribute('aria-valuetext', `${hours.utc(hour)} UTC`)
    byId('beijing').textContent = hours.beijing(hour)
    byId('utc').textContent = hours.utc(hour)
    this.date.value = hours.name(hour).slice(0, 10)
    const missing = hours.isMissing(hour)
    byId('no-numbers').hidden = !missing
  }

  // days below the slider, as many as can be read, and the hours without numbers on it
  marks() {
    const { hours } = this
    const share = (index) => (hours.count > 1 ? (100 * index) / (hours.count - 1) : 0)
    const nodes = hours.missing.map(([from, to]) => {
      const node = el('i', { class: 'gap' })
      node.style.left = `${share(from - 0.5)}%`
      node.style.width = `${share(to - from)}%`
      return node
    })
    const days = []
    for (let index = 0; index < hours.count; index += 1) {
      if (hours.beijing(index).endsWith(' 00:00')) {
        days.push(index)
        index += 23
      }
    }
    const every = Math.ceil(days.length / 8)
    days.forEach((index, at) => {
      if (at % every) return
      const node = el('span', { class: 'day' }, hours.beijing(index).slice(5, 10))
      node.style.left = `${share(index)}%`
      nodes.push(node)
    })
    byId('marks').replaceChildren(...nodes)
  }
}
