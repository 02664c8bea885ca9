// Where a point lies among polygons, and where a label of a polygon stands.

// even-odd: holes count themselves out
function inRings(rings, lon, lat) {
  let inside = false
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
      const [xi, yi] = ring[i]
      const [xj, yj] = ring[j]
      if (yi > lat !== yj > lat && lon < ((xj - xi) * (lat - yi)) / (yj - yi) + xi) inside = !inside
    }
  }
  return inside
}

function polygonsOf(geometry) {
  if (geometry.type === 'Polygon') return [geometry.coordinates]
  return geometry.type === 'MultiPolygon' ? geometry.coordinates : []
}

export function featureAt(collection, lon, lat) {
  const within = ({ geometry }) => polygonsOf(geometry).some((rings) => inRings(rings, lon, lat))
  return collection.features.find(within) ?? null
}

function signedArea(ring) {
  let sum = 0
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    sum += ring[j][0] * ring[i][1] - ring[i][0] * ring[j][1]
  }
  return sum / 2
}

// the middle of the widest stretch of the largest part, along the parallel through its centroid: always inside it
export function labelPoint(geometry) {
  const parts = polygonsOf(geometry)
  if (parts.length === 0) return null
  const size = (rings) => Math.abs(signedArea(rings[0]))
  const [ring] = parts.reduce((best, rings) => (size(rings) > size(best) ? rings : best))
  const area = signedArea(ring)
  let middle = 0
  const crossings = []
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const cross = ring[j][0] * ring[i][1] - ring[i][0] * ring[j][1]
    middle += ((ring[j][1] + ring[i][1]) * cross) / (6 * area)
  }
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const [xi, yi] = ring[i]
    const [xj, yj] = ring[j]
    if (yi > middle !== yj > middle) crossings.push(((xj - xi) * (middle - yi)) / (yj - yi) + xi)
  }
  crossings.sort((a, b) => a - b)
  let best = null
  for (let k = 0; k + 1 < crossings.length; k += 2) {
    const width = crossings[k + 1] - crossings[k]
    if (!best || width > best.width) best = { width, lon: (crossings[k] + crossings[k + 1]) / 2 }
  }
  return best && [best.lon, middle]
}
