// Links to the map that is seen, as files.

import { el } from './dom.mjs'
import { say } from './words.mjs'

const FORMATS = { tif: 'GeoTIFF', nc: 'NetCDF', csv: 'CSV' }

export function mapFiles(place, api, hours, { hour, sector }) {
  const period = hours.name(hour)
  const links = Object.entries(FORMATS).map(([format, text]) =>
    el('a', { href: api.url('api/maps', { period, freq: 'hour', sector, format }), download: '' }, text),
  )
  place.replaceChildren(el('span', {}, say('downloadMap')), ...links)
}
