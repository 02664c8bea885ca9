// A chart of series over hours: lines with bands of one sigma, points with bars of it, a reading under the pointer.

import { el, svg } from './dom.mjs'
import { plain, tickText, ticks, unitText, withSigma } from './numbers.mjs'
import { say } from './words.mjs'

const HOUR = 3600e3
const MARGIN = { top: 18, right: 10, bottom: 36, left: 54 }

// runs of neighbouring numbers; a null or a part left out breaks a line
function runs(times, values, step) {
  const found = []
  let run = []
  values.forEach((value, at) => {
    const follows = run.length === 0 || times[at] - times[run.at(-1)] <= step
    if (value === null || !follows) {
      if (run.length) found.push(run)
      run = []
    }
    if (value !== null) run.push(at)
  })
  if (run.length) found.push(run)
  return found
}

function extent(lines) {
  let low = 0
  let high = 0
  let first = true
  for (const { values, sigma } of lines) {
    values.forEach((value, at) => {
      if (value === null) return
      const half = sigma?.[at] ?? 0
      low = first ? value - half : Math.min(low, value - half)
      high = first ? value + half : Math.max(high, value + half)
      first = false
    })
  }
  const room = 0.06 * (high - low) || Math.abs(high) * 0.1 || 1
  return [low - room, high + room]
}

// ticks of time at hours, days or months of Beijing time, as many as fit
function timeTicks(hours, from, to, about) {
  const length = to - from
  const shift = 8
  const step = [1, 2, 3, 6, 12, 24, 48, 120, 240].find((one) => length / one <= about) ?? 24 * Math.ceil(length / about / 24)
  const begin = hours.first / HOUR + shift
  const found = []
  for (let k = Math.ceil((begin + from) / step); k * step <= begin + to; k += 1) found.push(k * step - begin)
  return found.map((index) => {
    const text = hours.beijing(index)
    const midnight = text.endsWith('00:00')
    return { index, text: step >= 24 || midnight ? text.slice(5, 10) : text.slice(11), strong: midnight && step < 24 }
  })
}

function bandPath(run, x, y, times, values, sigma) {
  const top = run.map((at) => `${x(times[at])},${y(values[at] + (sigma[at] ?? 0))}`)
  const bottom = run.map((at) => `${x(times[at])},${y(values[at] - (sigma[at] ?? 0))}`).reverse()
  return `M${[...top, ...bottom].join('L')}Z`
}

function lineNodes(line, { times, step }, x, y) {
  const { values, sigma, style, points } = line
  if (points) {
    return values.flatMap((value, at) => {
      if (value === null) return []
      const half = sigma?.[at] ?? 0
      const bar = half
        ? svg('line', { class: `bar-${style}`, x1: x(times[at]), x2: x(times[at]), y1: y(value - half), y2: y(value + half) })
        : null
      return [bar, svg('circle', { class: `dot-${style}`, cx: x(times[at]), cy: y(value), r: 2.6 })].filter(Boolean)
    })
  }
  return runs(times, values, step).flatMap((run) => {
    const band = sigma && run.length > 1 ? svg('path', { class: `band-${style}`, d: bandPath(run, x, y, times, values, sigma) }) : null
    const path = svg('path', { class: `line-${style}`, d: `M${run.map((at) => `${x(times[at])},${y(values[at])}`).join('L')}` })
    // alone between gaps a number would be a line of no length
    const dots = run.length > 1 && times.length > 1 ? [] : run.map((at) => svg('circle', { class: `dot-${style}`, cx: x(times[at]), cy: y(values[at]), r: 3 }))
    const bars = run.length > 1 || !sigma ? [] : run.map((at) => svg('line', { class: `bar-${style}`, x1: x(times[at]), x2: x(times[at]), y1: y(values[at] - (sigma[at] ?? 0)), y2: y(values[at] + (sigma[at] ?? 0)) }))
    return [band, path, ...bars, ...dots].filter(Boolean)
  })
}

function legend(lines) {
  const entries = lines.map(({ name, style, points }) => {
    const mark = svg('svg', { width: 22, height: 10, 'aria-hidden': 'true' })
    if (points) mark.append(svg('circle', { class: `dot-${style}`, cx: 11, cy: 5, r: 3 }))
    else {
      mark.append(svg('rect', { class: `band-${style}`, x: 0, y: 0, width: 22, height: 10 }))
      mark.append(svg('line', { class: `line-${style}`, x1: 0, x2: 22, y1: 5, y2: 5 }))
    }
    return el('span', {}, mark, say(name))
  })
  return el('div', { class: 'legend' }, ...entries)
}

// One chart in an element, drawn anew each time.
//   times: index of the hour each value begins at; step: hours from one to the next; current: the hour seen;
//   lines: {name, values, sigma, style, points}, null where there is no number; label: text of a part for the reading.
export function drawChart(place, chart) {
  const { times, hours, unit, lines, height = 190, current, step, onPick } = chart
  const width = Math.max(place.clientWidth, 240)
  const drawn = lines.filter(({ values }) => values.some((value) => value !== null))
  const [low, high] = extent(drawn)
  const [from, to] = [times[0], Math.max(times.at(-1), times[0] + step)]
  const x = (index) => MARGIN.left + ((index - from) / (to - from)) * (width - MARGIN.left - MARGIN.right)
  const y = (value) => height - MARGIN.bottom - ((value - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom)
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, height - MARGIN.bottom]

  const graph = svg('svg', { class: 'graph', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${say('series')}, ${unitText(unit)}` })
  for (const value of ticks(low, high, 4)) {
    graph.append(svg('line', { class: value === 0 ? 'zero' : 'rule', x1: left, x2: right, y1: y(value), y2: y(value) }))
    graph.append(svg('text', { class: 'tick', x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, tickText(value)))
  }
  for (const { index, text, strong } of timeTicks(hours, from, to, width / 64)) {
    graph.append(svg('line', { class: 'rule', x1: x(index), x2: x(index), y1: bottom, y2: bottom + 4 }))
    graph.append(svg('text', { class: strong ? 'tick strong' : 'tick', x: x(index), y: bottom + 16, 'text-anchor': 'middle' }, text))
  }
  graph.append(svg('text', { class: 'tick', x: 2, y: 11 }, unitText(unit)))
  graph.append(svg('text', { class: 'tick', x: right, y: height - 4, 'text-anchor': 'end' }, say('beijing')))
  for (const line of drawn) graph.append(...lineNodes(line, chart, x, y))

  const now = svg('line', { class: 'now', y1: top, y2: bottom })
  const pointer = svg('line', { class: 'pointer', y1: top, y2: bottom, visibility: 'hidden' })
  graph.append(now, pointer)
  const reading = el('div', { class: 'reading', role: 'status' })
  const setNow = (hour) => {
    // a part of a day or a month holds many hours: its own mark is where it begins
    const at = times.findLastIndex((time) => time <= hour)
    const inside = at >= 0 && hour < times[at] + step
    now.setAttribute('visibility', inside ? 'visible' : 'hidden')
    if (!inside) return
    now.setAttribute('x1', x(times[at]))
    now.setAttribute('x2', x(times[at]))
  }
  const nearest = (event) => {
    const box = graph.getBoundingClientRect()
    const place = from + ((event.clientX - box.left - left) / (right - left)) * (to - from)
    return times.reduce((best, time, at) => (Math.abs(time - place) < Math.abs(times[best] - place) ? at : best), 0)
  }
  const read = (at) => {
    pointer.setAttribute('visibility', 'visible')
    pointer.setAttribute('x1', x(times[at]))
    pointer.setAttribute('x2', x(times[at]))
    const parts = drawn.filter(({ values }) => values[at] !== null).map(({ name, values, sigma }) => {
      const [value, half] = sigma?.[at] ? withSigma(values[at], sigma[at]) : [plain(values[at], 5), null]
      return `${say(name)} ${value}${half ? ` ± ${half}` : ''}`
    })
    const title = chart.label ? chart.label(at) : hours.beijing(times[at]).slice(5)
    reading.replaceChildren(el('b', {}, title), ` ${parts.join('  ') || say('noNumbers')}`)
  }
  graph.addEventListener('pointermove', (event) => read(nearest(event)))
  graph.addEventListener('pointerleave', () => {
    pointer.setAttribute('visibility', 'hidden')
    reading.replaceChildren()
  })
  graph.addEventListener('click', (event) => onPick(times[nearest(event)]))
  place.replaceChildren(legend(drawn), graph, reading)
  setNow(current)
  return { setNow }
}
