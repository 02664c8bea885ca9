// Questions to the server. A page keeps to the version it began with: two answers never mix two versions.

// times a question is put, and the longest wait between two, seconds
const ATTEMPTS = 12
const LONGEST_WAIT = 3
const ROOT = new URL('../', import.meta.url)

export class ApiError extends Error {
  constructor(status, told) {
    super(told?.rule ?? `HTTP ${status}`)
    this.status = status
    this.got = told?.got ?? ''
    this.remedy = told?.remedy ?? ''
  }
}

export async function errorOf(response) {
  const told = await response.json().catch(() => null)
  return new ApiError(response.status, told?.error)
}

async function answer(response) {
  if (response.ok) return response.json()
  throw await errorOf(response)
}

export class Api {
  constructor() {
    this.version = null
    this.tag = null
  }

  url(path, parameters = {}) {
    const url = new URL(path.replace(/^\//, ''), ROOT)
    for (const [name, value] of Object.entries(parameters)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== null && one !== undefined) url.searchParams.append(name, one)
      }
    }
    if (this.version) url.searchParams.set('version', this.version)
    return url.href
  }

  // a server that is busy says so and when to come again; large questions of one page wait for each other
  async get(path, parameters, signal) {
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(this.url(path, parameters), { signal })
      if (response.status !== 429 || attempt === ATTEMPTS) return answer(response)
      const seconds = Number(response.headers.get('Retry-After')) || 1
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, LONGEST_WAIT)))
      signal?.throwIfAborted()
    }
  }

  async begin() {
    const response = await fetch(this.url('api/metadata'), { cache: 'no-cache' })
    const metadata = await answer(response)
    this.version = metadata.version
    this.tag = response.headers.get('ETag')
    return metadata
  }

  // the id of a version newer than this page's, or null
  async newer() {
    const headers = this.tag ? { 'If-None-Match': this.tag } : {}
    const response = await fetch(new URL('api/metadata', ROOT), { headers, cache: 'no-store' })
    if (response.status === 304) return null
    const { version, fallback } = await answer(response)
    // an older one that stands in for this page's is not newer
    return version === this.version || fallback?.newest === this.version ? null : version
  }

  // state of the service, not of a version
  async health() {
    return answer(await fetch(new URL('api/health', ROOT), { cache: 'no-store' }))
  }
}
