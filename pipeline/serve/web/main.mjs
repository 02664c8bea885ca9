// The page: what is asked first, and how its parts hang together.

import { Api } from './api.mjs'
import { ColourBar } from './colourbar.mjs'
import { Controls } from './controls.mjs'
import { byId } from './dom.mjs'
import { mapFiles } from './files.mjs'
import { Hours } from './hours.mjs'
import { Panel } from './panel.mjs'
import { Picture } from './picture.mjs'
import { Search } from './search.mjs'
import { State } from './state.mjs'
import { Status } from './status.mjs'
import { TimeBar } from './timebar.mjs'
import { toast, toastError } from './toast.mjs'
import { beginLanguage, onLanguage, say } from './words.mjs'

// what a measurement reads: milliseconds of the last change of frame and to the first map, and errors nobody expected
window.tianyan = { ready: false, frame: null, first: null, errors: [] }
addEventListener('error', ({ message }) => window.tianyan.errors.push(message))
addEventListener('unhandledrejection', ({ reason }) => window.tianyan.errors.push(String(reason)))

function canDraw() {
  if (new URLSearchParams(location.search).get('fallback') === '1') return false
  return Boolean(document.createElement('canvas').getContext('webgl2'))
}

function busy(on) {
  byId('spinner').classList.toggle('on', on)
}

// the map that can be drawn here, or null; its modules are large and only then needed
async function sceneOf(parts) {
  if (!canDraw()) return null
  const { Scene } = await import('./scene.mjs')
  const scene = new Scene(parts)
  await scene.begin()
  return scene
}

async function begin() {
  beginLanguage()
  busy(true)
  const api = new Api()
  const metadata = await api.begin()
  if (metadata.hours.axis === 0) {
    toast(say('noNumbers'))
    return
  }
  const regionsAsked = api.get('api/regions').then(({ regions }) => regions)
  const hours = new Hours(metadata.hours)
  const state = new State(hours, metadata)
  const bar = new ColourBar(byId('bar'), metadata)
  state.watch(['layer', 'sector'], (values) => bar.update(values))
  const scene = await sceneOf({ state, api, metadata, bar, tell: toast, onError: toastError })
  const regions = await regionsAsked.catch((error) => {
    toastError(error)
    return []
  })
  // where a place of the globe lies on the screen, for those who measure
  window.tianyan.project = (lon, lat) => scene.onScreen(lon, lat)
  const map = scene ?? new Picture(state, api, metadata, regions)

  // resolves when what the state says is on the screen
  let shown = Promise.resolve()
  const timebar = new TimeBar(state, () => shown)
  const show = async (values) => {
    const late = setTimeout(() => busy(true), 120)
    try {
      const time = await map.show(values, timebar.playing)
      if (time !== null) window.tianyan.frame = time
    } catch (error) {
      toastError(error)
    } finally {
      clearTimeout(late)
      busy(false)
    }
  }
  state.watch(['hour', 'layer', 'sector'], (values) => {
    shown = show(values)
  })
  state.watch(['hour'], (values) => timebar.update(values))
  await shown
  window.tianyan.first = performance.now()
  window.tianyan.ready = true

  const modes = scene ? [...metadata.levels.filter((level) => level !== 'province'), 'cell', 'polygon'] : []
  const controls = new Controls(state, metadata, modes, {
    onMode: (mode) => scene.setMode(mode),
    onCounties: (on) => scene.showCounties(on),
    onStations: (on) => scene.stations.toggle(on),
  })
  state.watch(['layer', 'sector'], (values) => controls.update(values))
  scene?.setMode(controls.mode)
  const status = new Status(state, api, metadata)
  const panel = new Panel(state, api, metadata, regions, toastError)
  new Search(regions, (region) => {
    state.set({ area: { kind: 'region', id: region.id } })
    scene?.fit(region.bounds)
  })
  // stations and facts of the hour: when time has come to rest, not for each hour it runs through
  let rest = null
  const settle = ({ hour }) => {
    clearTimeout(rest)
    rest = setTimeout(() => {
      status.update({ hour })
      scene?.stations.update(hour)
    }, 150)
  }
  state.watch(['area', 'freq', 'sector'], (values) => panel.update(values))
  state.watch(['hour'], (values) => {
    panel.moveTo(values)
    settle(values)
  })
  state.watch(['hour', 'sector'], (values) => mapFiles(byId('map-files'), api, hours, values))
  onLanguage(() => {
    bar.update(state.values)
    timebar.label()
    mapFiles(byId('map-files'), api, hours, state.values)
  })

  if (scene) {
    const regionOf = (area) => regions.find(({ id }) => id === area?.id)
    state.watch(['area'], ({ area }) => scene.showArea(area, regionOf(area)))
    // the many counties wait until one comes near
    await Promise.all(metadata.levels.filter((level) => level !== 'county').map((level) => scene.ask(level)))
    scene.near()
  }
  document.body.classList.add('settled')
}

begin()
  .catch(toastError)
  .finally(() => busy(false))
