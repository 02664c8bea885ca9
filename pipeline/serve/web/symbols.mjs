// Symbols of stations: shape by class, colour by state.

export const STATES = { used: '#0a8f4f', flagged: '#f08c00', silent: '#8b949e', unknown: '#ffffff' }
export const SHAPES = ['provincial', 'regional', 'city', 'micro', 'sink', 'other']
const SIZE = 44

function outline(context, shape) {
  const middle = SIZE / 2
  const radius = shape === 'micro' ? 9 : 15
  const corners = {
    provincial: [[-1, -1], [1, -1], [1, 1], [-1, 1]],
    regional: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
    sink: [[0, -1.2], [1.15, 0.9], [-1.15, 0.9]],
    other: [[-0.5, -1.1], [0.5, -1.1], [1.1, 0], [0.5, 1.1], [-0.5, 1.1], [-1.1, 0]],
  }[shape]
  context.beginPath()
  if (corners) corners.forEach(([x, y]) => context.lineTo(middle + x * radius * 0.9, middle + y * radius * 0.9))
  else context.arc(middle, middle, radius, 0, 2 * Math.PI)
  context.closePath()
}

// a symbol on a canvas; the legend draws with it too
export function drawSymbol(canvas, shape, state) {
  canvas.width = SIZE
  canvas.height = SIZE
  const context = canvas.getContext('2d', { willReadFrequently: true })
  outline(context, shape)
  context.fillStyle = STATES[state] ?? STATES.unknown
  context.fill()
  context.lineWidth = state === 'unknown' ? 4 : 5
  context.strokeStyle = state === 'unknown' ? '#4a5460' : '#ffffff'
  context.stroke()
  context.lineWidth = 1.5
  context.strokeStyle = '#10151b'
  context.stroke()
  return context.getImageData(0, 0, SIZE, SIZE)
}
