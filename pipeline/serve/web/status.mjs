// The line of state: which version, what became of the hour, how the service does, and whether something newer is there.

import { byId, el } from './dom.mjs'
import { toast } from './toast.mjs'
import { nameOf, onLanguage, say } from './words.mjs'

const EVERY = 60e3
const STATES = ['green', 'yellow', 'red']
const BROKEN = ['degraded', 'prior_only']

function ageText(hours) {
  return hours < 72 ? say('hoursOld', { n: Math.round(hours) }) : say('daysOld', { n: Math.round(hours / 24) })
}

export class Status {
  constructor(state, api, metadata) {
    this.state = state
    this.api = api
    this.hours = state.hours
    this.metadata = metadata
    // facts of hours by name, asked for a day at a time
    this.known = new Map()
    this.days = new Map()
    byId('health').addEventListener('click', () => this.open(byId('health-box').hidden))
    addEventListener('keydown', ({ key }) => key === 'Escape' && this.open(false))
    onLanguage(() => this.words())
    this.words()
    this.look()
    setInterval(() => document.hidden || this.look(), EVERY)
    // one who comes back to the page need not wait for it
    document.addEventListener('visibilitychange', () => document.hidden || this.look())
  }

  words() {
    const { version, commit, fallback, title } = this.metadata
    const number = commit === null || commit === undefined ? '' : ` · ${say('commit')} ${commit}`
    byId('version').textContent = `${say('version')} ${version.slice(0, 8)}${number}`
    byId('version').title = version
    byId('subtitle').textContent = title
    const notice = byId('fallback-notice')
    notice.hidden = !fallback
    notice.textContent = say('fallbackVersion')
    this.healthWords()
    this.hourWords(this.state.get('hour'))
  }

  // state of the service and whether a newer version is there; a server that is away shows as unknown
  async look() {
    this.health = await this.api.health().catch(() => null)
    this.healthWords()
    const newer = await this.api.newer().catch(() => null)
    if (!newer || newer === this.offered) return
    this.offered = newer
    toast(say('newer'), '', { name: say('reload'), run: () => location.reload() })
  }

  healthWords() {
    const state = STATES.includes(this.health?.state) ? this.health.state : 'unknown'
    const chip = byId('health')
    chip.dataset.state = state
    byId('health-text').textContent = `${say('health')}: ${say(state)}`
    const alarms = this.health?.alarms ?? []
    const age = this.health?.age_hours
    const facts = [
      [say('newestHour'), this.health?.newest_hour],
      [say('age'), Number.isFinite(age) ? ageText(age) : null],
      [say('alarms'), alarms.length ? null : say('noAlarms')],
    ]
    byId('health-box').replaceChildren(
      el('dl', { class: 'facts' }, ...facts.filter(([, text]) => text).flatMap(([word, text]) => [el('dt', {}, word), el('dd', {}, text)])),
      el('ul', {}, ...alarms.map((alarm) => el('li', { 'data-level': alarm.level }, el('b', {}, nameOf(alarm)), ` ${alarm.text ?? ''}`))),
    )
  }

  open(on) {
    byId('health-box').hidden = !on
    byId('health').setAttribute('aria-expanded', on)
  }

  async update({ hour }) {
    this.hourWords(hour)
    const day = this.hours.name(hour).slice(0, 10)
    if (!this.days.has(day)) this.days.set(day, this.ask(day))
    await this.days.get(day)
    this.hourWords(this.state.get('hour'))
  }

  async ask(day) {
    try {
      const { hours } = await this.api.get('api/hours', { period: day })
      for (const fact of hours) this.known.set(fact.hour, fact)
    } catch {
      // a run has no such facts; a server that is away is told by the map
      this.days.delete(day)
    }
  }

  hourWords(hour) {
    const chip = byId('hour-state')
    const fact = this.known.get(this.hours.name(hour))
    chip.hidden = !fact?.status && !fact?.condition
    if (chip.hidden) return
    chip.dataset.state = BROKEN.includes(fact.condition) ? 'yellow' : 'green'
    chip.textContent = [fact.status, fact.condition].filter(Boolean).map((word) => say(word)).join(' · ')
    chip.title = say('status')
  }
}
