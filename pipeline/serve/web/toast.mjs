// Messages that come by themselves: errors, in the words of the server, and notes.

import { ApiError } from './api.mjs'
import { byId, el } from './dom.mjs'
import { say } from './words.mjs'

const STAYS = 12e3
const MOST = 3

export function toast(title, text = '', action = null) {
  const place = byId('toasts')
  const close = el('button', { type: 'button', class: 'icon', 'aria-label': say('close') }, '×')
  const act = action && el('button', { type: 'button', class: 'primary', onclick: action.run }, action.name)
  const node = el('div', { class: 'toast' }, el('div', {}, el('b', {}, title), text && el('p', {}, text)), act, close)
  close.addEventListener('click', () => node.remove())
  // the same message again does not stack
  for (const other of [...place.children]) if (other.textContent === node.textContent) other.remove()
  place.append(node)
  while (place.children.length > MOST) place.firstChild.remove()
  if (!action) setTimeout(() => node.remove(), STAYS)
  return node
}

export function toastError(error) {
  if (error.name === 'AbortError') return
  if (error instanceof ApiError) {
    const got = error.got ? `${say('got')}: ${error.got}` : ''
    toast(`${say('failed')}: ${error.message}`, [got, error.remedy].filter(Boolean).join(' — '))
  } else if (error instanceof TypeError && /fetch|network/i.test(error.message)) {
    toast(say('outOfReach'), say('tryAgain'))
  } else {
    window.tianyan.errors.push(String(error))
    toast(say('failed'), error.message)
  }
}
