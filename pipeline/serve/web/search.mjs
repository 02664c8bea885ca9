// Regions by name: a field with a list below it that keys can walk.

import { byId, el } from './dom.mjs'
import { nameOf, onLanguage, say } from './words.mjs'

const MOST = 8

function matches({ name, name_en: english, id }, wanted) {
  return name.includes(wanted) || (english ?? '').toLowerCase().includes(wanted) || id.startsWith(wanted)
}

export class Search {
  constructor(regions, onChoose) {
    this.regions = regions
    this.onChoose = onChoose
    this.field = byId('search')
    this.list = byId('found')
    this.active = -1
    this.field.addEventListener('input', () => this.look())
    this.field.addEventListener('focus', () => this.look())
    this.field.addEventListener('blur', () => setTimeout(() => this.close(), 150))
    this.field.addEventListener('keydown', (event) => this.key(event))
    const name = () => {
      this.field.placeholder = say('searchHint')
    }
    onLanguage(name)
    name()
  }

  look() {
    const wanted = this.field.value.trim().toLowerCase()
    if (!wanted) {
      this.close()
      return
    }
    this.found = this.regions.filter((region) => matches(region, wanted)).slice(0, MOST)
    const rows = this.found.map((region, at) =>
      el(
        'li',
        { role: 'option', id: `found-${at}`, 'aria-selected': 'false', onpointerdown: () => this.choose(region) },
        nameOf(region),
        el('small', {}, ` ${say(region.level)} · ${nameOf({ name: region.name_en, name_en: region.name })}`),
      ),
    )
    this.list.replaceChildren(...(rows.length ? rows : [el('li', { class: 'empty' }, say('noRegion'))]))
    this.list.hidden = false
    this.field.setAttribute('aria-expanded', 'true')
    this.mark(rows.length ? 0 : -1)
  }

  mark(at) {
    this.active = at
    for (const [place, row] of [...this.list.children].entries()) row.setAttribute('aria-selected', place === at)
    if (at >= 0) this.field.setAttribute('aria-activedescendant', `found-${at}`)
    else this.field.removeAttribute('aria-activedescendant')
  }

  key(event) {
    if (this.list.hidden) return
    const count = this.found.length
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      if (count) this.mark((this.active + (event.key === 'ArrowDown' ? 1 : count - 1)) % count)
    } else if (event.key === 'Enter' && this.found[this.active]) this.choose(this.found[this.active])
    else if (event.key === 'Escape') this.close()
  }

  choose(region) {
    this.field.value = ''
    this.close()
    this.onChoose(region)
  }

  close() {
    this.list.hidden = true
    this.field.setAttribute('aria-expanded', 'false')
  }
}
