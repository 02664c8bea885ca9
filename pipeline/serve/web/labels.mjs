// Names on the map as elements over it: a map without a server of glyphs cannot write.

import { Marker } from './vendor-maplibre.mjs'
import { el } from './dom.mjs'
import { labelPoint } from './places.mjs'
import { nameOf, onLanguage } from './words.mjs'

export class Labels {
  constructor(map) {
    this.map = map
    this.entries = []
    onLanguage(() => this.rename())
  }

  add(level, collection) {
    for (const { properties, geometry } of collection.features) {
      const place = labelPoint(geometry)
      if (!place) continue
      const node = el('span', { class: `place place-${level}`, 'aria-hidden': 'true' })
      node.textContent = nameOf(properties)
      const marker = new Marker({ element: node }).setLngLat(place)
      this.entries.push({ level, place, properties, node, marker, on: false })
    }
  }

  // those of the levels that are to be read now and lie in view; markers out of view cost time in each frame
  update(levels) {
    const bounds = this.map.getBounds()
    for (const entry of this.entries) {
      const on = levels.includes(entry.level) && bounds.contains(entry.place)
      if (on === entry.on) continue
      entry.on = on
      if (on) entry.marker.addTo(this.map)
      else entry.marker.remove()
    }
  }

  rename() {
    for (const { node, properties } of this.entries) node.textContent = nameOf(properties)
  }
}
