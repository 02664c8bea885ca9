// The bar of time: step, play, drag, keys; days are marked, hours without numbers are hatched.

import { byId, el } from './dom.mjs'
import { say } from './words.mjs'

// shortest time a frame stands when playing
const STANDS = 450
const MARKS = 8

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
    this.date.min = this.hours.beijing(0).slice(0, 10)
    this.date.max = this.hours.beijing(this.hours.count - 1).slice(0, 10)
    this.slider.addEventListener('input', () => this.go(Number(this.slider.value)))
    byId('back').addEventListener('click', () => this.step(-1))
    byId('forward').addEventListener('click', () => this.step(1))
    this.playButton.addEventListener('click', () => (this.playing ? this.pause() : this.play()))
    this.date.addEventListener('change', () => {
      const midnight = this.hours.beijingMidnight(this.date.value)
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
    this.date.value = hours.beijing(hour).slice(0, 10)
    const missing = hours.isMissing(hour)
    byId('no-numbers').hidden = !missing
  }

  // days, or parts of a day where there are few, below the slider, as many as can be read; hours without numbers on it
  marks() {
    const { hours } = this
    const share = (index) => (hours.count > 1 ? (100 * index) / (hours.count - 1) : 0)
    const nodes = hours.missing.map(([from, to]) => {
      const node = el('i', { class: 'gap' })
      node.style.left = `${Math.max(0, share(from - 0.5))}%`
      node.style.width = `${share(to - from)}%`
      return node
    })
    const step = [6, 12, 24].find((one) => hours.count / one <= MARKS) ?? 24 * Math.ceil(hours.count / MARKS / 24)
    for (let index = hours.untilBeijing(Math.min(step, 24)); index < hours.count; index += step) {
      const text = hours.beijing(index)
      const midnight = text.endsWith(' 00:00')
      const node = el('span', { class: midnight ? 'day' : 'part' }, midnight ? text.slice(5, 10) : text.slice(11))
      node.style.left = `${share(index)}%`
      nodes.push(node)
    }
    byId('marks').replaceChildren(...nodes)
  }
}
