// The axis of hours: index 0 is the first hour of the store, all hours are UTC and named by their start.

const HOUR = 3600e3
const BEIJING = 8 * HOUR

function two(number) {
  return String(number).padStart(2, '0')
}

function day(time) {
  return `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())}`
}

export class Hours {
  constructor({ first, axis, missing }) {
    this.first = Hours.parse(first)
    this.count = axis
    this.missing = missing
  }

  // '2024-07-15T05Z', '2024-07-15T05:00Z' or NaN
  static parse(text) {
    const found = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)(:\d\d(:\d\d)?)?Z?$/.exec(text ?? '')
    return found ? Date.UTC(+found[1], found[2] - 1, +found[3], +found[4]) : NaN
  }

  at(index) {
    return new Date(this.first + index * HOUR)
  }

  // '2024-07-15T05Z', as the server reads and writes it
  name(index) {
    const time = this.at(index)
    return `${day(time)}T${two(time.getUTCHours())}Z`
  }

  index(text) {
    const time = typeof text === 'number' ? text : Hours.parse(text)
    return Number.isNaN(time) ? null : this.clamp(Math.round((time - this.first) / HOUR))
  }

  clamp(index) {
    return Math.min(Math.max(index, 0), this.count - 1)
  }

  isMissing(index) {
    return this.missing.some(([from, to]) => from <= index && index < to)
  }

  // the newest hour that has numbers: what a visitor wants to see first
  newest() {
    for (let index = this.count - 1; index >= 0; index -= 1) if (!this.isMissing(index)) return index
    return this.count - 1
  }

  utc(index) {
    const time = this.at(index)
    return `${day(time)} ${two(time.getUTCHours())}:00`
  }

  beijing(index) {
    const time = new Date(this.at(index).getTime() + BEIJING)
    return `${day(time)} ${two(time.getUTCHours())}:00`
  }

  // the hour of a day's midnight in Beijing, '2024-07-15'
  beijingMidnight(date) {
    const time = Hours.parse(`${date}T00Z`)
    return Number.isNaN(time) ? null : this.index(time - BEIJING)
  }

  // hours from the first to the next whose number in Beijing is a multiple of so many
  untilBeijing(multiple) {
    const number = (this.first + BEIJING) / HOUR
    return (multiple - (number % multiple)) % multiple
  }

  // half-open, as the server reads periods of hours
  period(from, to) {
    return `${this.name(from)}/${this.name(to)}`
  }
}
