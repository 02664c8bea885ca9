// Numbers as people read them: rounded where their uncertainty begins.

const MINUS = '−'

function grouped(value, decimals) {
  const text = Math.abs(value).toLocaleString('en-US', {
    minimumFractionDigits: Math.max(decimals, 0),
    maximumFractionDigits: Math.max(decimals, 0),
  })
  return (value < 0 && /[1-9]/.test(text) ? MINUS : '') + text
}

function roundTo(value, decimals) {
  const factor = 10 ** decimals
  return Math.round(value * factor) / factor
}

// decimals that keep so many digits of a number; negative ones round to tens, hundreds, ...
function decimalsFor(value, digits) {
  return value === 0 || !Number.isFinite(value) ? 0 : digits - 1 - Math.floor(Math.log10(Math.abs(value)))
}

export function plain(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const decimals = decimalsFor(value, digits)
  return grouped(roundTo(value, decimals), decimals)
}

// value and sigma, both to two digits of sigma: 412 300 and 8 300
export function withSigma(value, sigma) {
  if (value === null || value === undefined) return ['–', '–']
  if (!sigma) return [plain(value, 4), sigma === 0 ? '0' : '–']
  const decimals = decimalsFor(sigma, 2)
  return [grouped(roundTo(value, decimals), decimals), grouped(roundTo(sigma, decimals), decimals)]
}

export function percent(share) {
  return share === null || share === undefined ? '–' : `${Math.round(share * 100)} %`
}

// ticks at 1, 2 or 5 times a power of ten, about so many of them
export function ticks(low, high, about) {
  if (!(high > low)) return [low]
  const raw = (high - low) / about
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power
  const found = []
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) {
    found.push(Number((k * step).toPrecision(12)))
  }
  return found
}

export function tickText(value) {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 6 }).replace('-', MINUS)
}

const RAISED = { '-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹' }

// 'umol m-2 s-1' as µmol m⁻² s⁻¹
export function unitText(unit) {
  return unit
    .replace(/^umol/, 'µmol')
    .replace(/([a-z])(-?\d+)/g, (_, letter, power) => letter + [...power].map((sign) => RAISED[sign]).join(''))
}

// CO2 as CO₂
export function formulaText(formula) {
  return formula.replace(/\d/g, (digit) => String.fromCharCode(0x2080 + Number(digit)))
}
