// Cells of the map's own grid, and where they lie on the globe.

import { proj4 } from './vendor-zarr-layer.mjs'

export class Grid {
  constructor({ proj4: definition, bounds, nx, ny }) {
    this.plane = proj4(definition)
    this.bounds = bounds
    this.nx = nx
    this.ny = ny
    this.dx = (bounds[2] - bounds[0]) / nx
    this.dy = (bounds[3] - bounds[1]) / ny
  }

  // {row, column}, rows from the south, or null outside
  cellAt(lon, lat) {
    const [x, y] = this.plane.forward([lon, lat])
    const column = Math.floor((x - this.bounds[0]) / this.dx)
    const row = Math.floor((y - this.bounds[1]) / this.dy)
    return column >= 0 && column < this.nx && row >= 0 && row < this.ny ? { row, column } : null
  }

  toLonLat(column, row) {
    return this.plane.inverse([this.bounds[0] + column * this.dx, this.bounds[1] + row * this.dy])
  }

  centre({ row, column }) {
    return this.toLonLat(column + 0.5, row + 0.5)
  }

  outline({ row, column }) {
    const corners = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    return corners.map(([right, up]) => this.toLonLat(column + right, row + up))
  }
}
