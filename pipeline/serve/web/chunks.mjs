// The chunks of the map, one hour of one sector of one layer each: fetched and unpacked once, kept while they are near.
// Drawing, reading under the pointer and looking ahead all take them from here.
//
// To the layer that draws they are one array (layer, sector, time, y, x): a change of any of the first three is then the
// same cheap step, where a change of the array would read the store's metadata anew.

import { errorOf } from './api.mjs'

const KEPT = 48
const ATTEMPTS = 3
const ARRAY = 'map'

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

async function unpacked(response, packed) {
  const stream = packed ? response.body.pipeThrough(new DecompressionStream('gzip')) : response.body
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

function encode(value) {
  return new TextEncoder().encode(JSON.stringify(value))
}

export class Chunks {
  // root: address of the group; layers: names of its arrays
  constructor(root, layers) {
    this.root = root
    this.layers = layers
    this.kept = new Map()
    this.pending = new Map()
  }

  async open() {
    const response = await fetch(`${this.root}/zarr.json`)
    if (!response.ok) throw await errorOf(response)
    const group = await response.json()
    const array = group.consolidated_metadata.metadata[this.layers[0]]
    const [bytes, ...rest] = array.codecs
    const readable =
      bytes.name === 'bytes' &&
      bytes.configuration.endian === 'little' &&
      array.data_type === 'float32' &&
      (rest.length === 0 || (rest.length === 1 && rest[0].name === 'gzip'))
    if (!readable) throw new Error(`the map's numbers are packed in a way this page does not read`)
    this.packed = rest.length === 1
    const [sectors, hours, ny, nx] = array.shape
    this.shape = [ny, nx]
    this.files = this.describe([this.layers.length, sectors, hours], [ny, nx])
  }

  // the files of the one array, but for its chunks
  describe(counts, shape) {
    const names = ['layer', 'sector', 'time']
    const array = (lengths, chunk, dimensions, type, fill) => ({
      zarr_format: 3,
      node_type: 'array',
      shape: lengths,
      data_type: type,
      chunk_grid: { name: 'regular', configuration: { chunk_shape: chunk } },
      chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
      codecs: [{ name: 'bytes', configuration: { endian: 'little' } }],
      fill_value: fill,
      dimension_names: dimensions,
      attributes: {},
    })
    const files = new Map([
      ['/zarr.json', encode({ zarr_format: 3, node_type: 'group', attributes: {} })],
      [
        `/${ARRAY}/zarr.json`,
        encode(array([...counts, ...shape], [1, 1, 1, ...shape], [...names, 'y', 'x'], 'float32', 'NaN')),
      ],
    ])
    names.forEach((name, at) => {
      const count = counts[at]
      files.set(`/${name}/zarr.json`, encode(array([count], [count], [name], 'int32', 0)))
      files.set(`/${name}/c/0`, new Uint8Array(Int32Array.from({ length: count }, (_, index) => index).buffer))
    })
    return files
  }

  // what the drawing layer asks: the bytes of a file, or undefined where there is none
  async get(key) {
    const chunk = new RegExp(`^/${ARRAY}/c/(\\d+)/(\\d+)/(\\d+)/0/0$`).exec(key)
    if (!chunk) return this.files.get(key)
    const [layer, sector, hour] = chunk.slice(1).map(Number)
    const values = await this.load({ layer: this.layers[layer], sector, hour })
    return values === null ? undefined : new Uint8Array(values.buffer)
  }

  keyOf({ layer, sector, hour }) {
    return `${layer}/c/${sector}/${hour}/0/0`
  }

  // values (y, x) of a frame, or null for an hour without numbers
  load(frame) {
    const key = this.keyOf(frame)
    if (this.kept.has(key)) {
      const values = this.kept.get(key)
      this.kept.delete(key)
      this.kept.set(key, values)
      return Promise.resolve(values)
    }
    const running = this.pending.get(key)
    if (running) return running.promise
    const abort = new AbortController()
    const promise = this.fetch(key, abort.signal)
      .then((values) => this.keep(key, values))
      .finally(() => this.pending.delete(key))
    this.pending.set(key, { promise, abort })
    return promise
  }

  keep(key, values) {
    this.kept.set(key, values)
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value)
    return values
  }

  async fetch(key, signal) {
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(`${this.root}/${key}`, { signal }).catch((error) => {
        if (signal.aborted || attempt === ATTEMPTS) throw error
        return null
      })
      if (response?.status === 404) return null
      if (response?.ok) return this.numbers((await unpacked(response, this.packed)).buffer)
      // a busy server says so and recovers; what else it says will not change
      if (response && (attempt === ATTEMPTS || ![429, 503].includes(response.status))) throw await errorOf(response)
      await pause(400 * attempt)
    }
  }

  numbers(buffer) {
    const [ny, nx] = this.shape
    if (buffer.byteLength !== 4 * ny * nx) throw new Error(`a chunk has ${buffer.byteLength} bytes, not ${4 * ny * nx}`)
    return new Float32Array(buffer)
  }

  // fetch these ahead, and stop what is underway but no longer wanted
  want(frames) {
    const keys = new Set(frames.map((frame) => this.keyOf(frame)))
    for (const [key, { abort }] of this.pending) if (!keys.has(key)) abort.abort()
    // an error is told when the frame is shown
    for (const frame of frames) this.load(frame).catch(() => null)
  }

  // the value of a cell of a frame if it is here already: null without a number, undefined when not loaded
  peek(frame, row, column) {
    const values = this.kept.get(this.keyOf(frame))
    if (values === undefined) return undefined
    const value = values?.[row * this.shape[1] + column]
    return value === undefined || Number.isNaN(value) ? null : value
  }
}
