// Tables of colours that stay apart for colour-blind eyes, ColorBrewer's: RdBu, reversed, around zero, and YlGnBu for a
// sigma, pale at zero so that borders can be read over it. Each is given by few colours, evenly spaced.

const AROUND_ZERO = [
  '#053061', '#2166ac', '#4393c3', '#92c5de', '#d1e5f0', '#f7f7f7', '#fddbc7', '#f4a582', '#d6604d', '#b2182b', '#67001f',
]
const FROM_ZERO = ['#ffffd9', '#edf8b1', '#c7e9b4', '#7fcdbb', '#41b6c4', '#1d91c0', '#225ea8', '#253494', '#081d58']
const STEPS = 256

function channels(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
}

function table(anchors) {
  const colours = anchors.map(channels)
  return Array.from({ length: STEPS }, (_, step) => {
    const place = (step / (STEPS - 1)) * (colours.length - 1)
    const left = Math.min(Math.floor(place), colours.length - 2)
    return colours[left].map((value, c) => Math.round(value + (place - left) * (colours[left + 1][c] - value)))
  })
}

const TABLES = { around: table(AROUND_ZERO), from: table(FROM_ZERO) }

// colours and limits of a layer of a sector; the same for all hours, so colours of two hours can be compared
export function paletteOf(metadata, layer, sector) {
  const [low, high] = metadata.ranges[layer]?.[sector] ?? [-1, 1]
  const name = `${layer} ${sector}`
  if (layer.endsWith('_std')) return { name, colours: TABLES.from, limits: [0, high > 0 ? high : 1] }
  const reach = Math.max(Math.abs(low), Math.abs(high)) || 1
  return { name, colours: TABLES.around, limits: [-reach, reach] }
}

export function gradient(colours) {
  const stops = colours.filter((_, step) => step % 15 === 0).map((colour) => `rgb(${colour.join(',')})`)
  return `linear-gradient(to right, ${stops.join(',')})`
}
