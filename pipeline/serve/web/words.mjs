// All words of the page in Chinese and English. What the data names (layers, sectors, regions) comes from the server.

const WORDS = {
  name: ['天眼', 'Tianyan'],
  about: ['温室气体通量', 'greenhouse-gas fluxes'],
  loading: ['正在载入…', 'Loading…'],
  layer: ['图层', 'Layer'],
  sector: ['部门', 'Sector'],
  choose: ['点击地图选取', 'A click on the map chooses'],
  cell: ['格点', 'Cell'],
  city: ['市', 'City'],
  county: ['县区', 'County'],
  polygon: ['画多边形', 'Draw'],
  box: ['区域', 'Region'],
  province: ['省', 'Province'],
  show: ['显示', 'Show'],
  counties: ['县界', 'County borders'],
  stations: ['观测站', 'Stations'],
  search: ['查找地区', 'Find a region'],
  searchHint: ['查找：杭州 / Hangzhou', 'Find: Hangzhou / 杭州'],
  noRegion: ['没有这个名字的地区', 'No region of that name'],
  region: ['地区', 'Region'],
  none: ['未选取', 'None'],
  wholeGrid: ['整个网格', 'Whole grid'],
  controls: ['图层与选项', 'Layers and options'],
  close: ['关闭', 'Close'],
  time: ['时间', 'Time'],
  hour: ['小时', 'Hour'],
  day: ['日', 'Day'],
  month: ['月', 'Month'],
  date: ['日期（北京时间）', 'Date (Beijing)'],
  play: ['播放', 'Play'],
  pause: ['暂停', 'Pause'],
  back: ['前一小时', 'One hour back'],
  forward: ['后一小时', 'One hour on'],
  beijing: ['北京时间', 'Beijing'],
  utc: ['世界时 UTC', 'UTC'],
  noNumbers: ['这一小时没有数据', 'No numbers in this hour'],
  version: ['版本', 'Version'],
  commit: ['提交', 'commit'],
  newer: ['有更新的版本', 'A newer version is there'],
  reload: ['重新载入', 'Reload'],
  fallbackVersion: ['最新版本无法读取，现显示较早的版本', 'The newest version cannot be read, an older one is shown'],
  health: ['运行状态', 'Service'],
  green: ['正常', 'Good'],
  yellow: ['注意', 'Attention'],
  red: ['故障', 'Fault'],
  unknown: ['未知', 'Unknown'],
  newestHour: ['最新小时', 'Newest hour'],
  age: ['数据时效', 'Age'],
  hoursOld: ['{n} 小时', '{n} h'],
  daysOld: ['{n} 天', '{n} days'],
  noAlarms: ['没有告警', 'No alarms'],
  alarms: ['告警', 'Alarms'],
  status: ['本小时状态', 'This hour'],
  P0: ['P0 仅先验', 'P0 prior'],
  P1: ['P1 初值', 'P1 first'],
  P2: ['P2 更新', 'P2 updated'],
  P3: ['P3 终值', 'P3 final'],
  run: ['一次运行', 'one run'],
  full: ['数据完整', 'full data'],
  degraded: ['数据降级', 'degraded'],
  prior_only: ['仅先验', 'prior only'],
  used: ['已使用', 'Used'],
  flagged: ['有标记，未使用', 'Flagged'],
  silent: ['无数据', 'Silent'],
  provincial: ['省级站', 'Provincial'],
  regional: ['区域站', 'Regional'],
  micro: ['微型站', 'Micro'],
  sink: ['碳汇站', 'Sink'],
  other: ['其他', 'Other'],
  why: ['原因', 'Why'],
  value: ['观测值', 'Observed'],
  error: ['误差', 'Error'],
  prior: ['先验', 'Prior'],
  posterior: ['后验', 'Posterior'],
  observed: ['观测', 'Observed'],
  notUsed: ['观测（未使用）', 'Observed, not used'],
  height: ['高度', 'Height'],
  metres: ['{n} 米', '{n} m'],
  thisHour: ['本小时总量', 'This hour'],
  thisPart: ['本时段总量', 'This part'],
  whole: ['{from} 至 {to} 总量', 'Total {from} to {to}'],
  posteriorTotal: ['后验总量', 'Posterior total'],
  priorTotal: ['先验总量', 'Prior total'],
  share: ['数据贡献', 'Told by data'],
  shareNote: ['数据消去的先验方差所占份额', 'Share of the prior variance taken away by data'],
  upper: ['≤：误差为上限估计', '≤: sigma is an upper estimate'],
  upperMark: ['误差为上限', 'upper estimate'],
  sigma: ['±：一倍标准差', '±: one sigma'],
  perHour: ['每小时', 'per hour'],
  perDay: ['每日（UTC）', 'per day (UTC)'],
  perMonth: ['每月（UTC）', 'per month (UTC)'],
  series: ['时间序列', 'Series'],
  frequency: ['时间步长', 'Frequency'],
  downloads: ['下载', 'Downloads'],
  downloadSeries: ['序列', 'Series'],
  downloadMap: ['当前地图', 'This map'],
  outside: ['{n} 在网格外', '{n} outside the grid'],
  missingHours: ['缺 {n} 小时', '{n} hours missing'],
  cellName: ['格点 {lon}°E {lat}°N', 'Cell {lon}°E {lat}°N'],
  polygonName: ['自定义多边形', 'Drawn polygon'],
  drawHelp: [
    '点击添加顶点；双击或回车结束，Esc 取消',
    'Click to add corners; double-click or Enter ends, Esc cancels',
  ],
  finish: ['完成', 'Finish'],
  undo: ['撤销', 'Undo'],
  cancel: ['取消', 'Cancel'],
  tooLong: ['多边形顶点太多', 'The polygon has too many corners'],
  fewer: ['请减少顶点再画', 'Draw it with fewer'],
  noMap: [
    '此浏览器不支持 WebGL，地图以图片显示',
    'This browser has no WebGL: the map is shown as a picture',
  ],
  picture: ['{layer}，{sector}，{hour}', '{layer}, {sector}, {hour}'],
  mapLabel: ['通量地图', 'Map of fluxes'],
  outOfReach: ['服务器没有回答', 'The server does not answer'],
  tryAgain: ['请检查网络后重试', 'Check the network and try again'],
  failed: ['请求失败', 'The request failed'],
  got: ['收到', 'got'],
  language: ['English', '中文'],
  zoomIn: ['放大', 'Zoom in'],
  zoomOut: ['缩小', 'Zoom out'],
  upward: ['向上为正', 'positive upward'],
  licences: ['许可', 'Licences'],
}

let column = 0
const watchers = []

export function language() {
  return column === 1 ? 'en' : 'zh'
}

// the text of a word; a word that is not in the dictionary (a class or a condition of a newer server) stands for itself
export function say(word, values = {}) {
  const text = WORDS[word]?.[column] ?? word
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name])
}

// of what has a name in both languages: layers and sectors (en, zh), regions and stations (name, name_en)
export function nameOf(thing) {
  const chinese = thing.zh || thing.name
  const english = thing.en || thing.name_en || thing.name
  return column === 1 ? english : chinese
}

function apply() {
  document.documentElement.lang = column === 1 ? 'en' : 'zh-CN'
  document.title = `${say('name')} · ${say('about')}`
  for (const node of document.querySelectorAll('[data-word]')) node.textContent = say(node.dataset.word)
  for (const node of document.querySelectorAll('[data-label]')) {
    node.setAttribute('aria-label', say(node.dataset.label))
    node.title = say(node.dataset.label)
  }
  for (const watcher of watchers) watcher()
}

// call whenever the language has changed
export function onLanguage(watcher) {
  watchers.push(watcher)
}

export function setLanguage(wanted) {
  column = wanted === 'en' ? 1 : 0
  // what the address asked for no longer holds
  const url = new URL(location.href)
  url.searchParams.delete('lang')
  history.replaceState(null, '', url)
  try {
    localStorage.setItem('language', language())
  } catch {
    // a browser that keeps nothing asks its own language again next time
  }
  apply()
}

// the link's, then what was chosen before, then the browser's
export function beginLanguage() {
  let kept = null
  try {
    kept = localStorage.getItem('language')
  } catch {
    // as above
  }
  const hash = new URLSearchParams(location.hash.slice(1)).get('lang')
  const wanted = new URLSearchParams(location.search).get('lang') ?? hash ?? kept ?? navigator.language
  column = wanted.toLowerCase().startsWith('zh') ? 0 : 1
  apply()
}
