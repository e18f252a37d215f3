/**
 * The chart of a deploy as an SVG: clients per build, and delivered messages per second, over time. Pure.
 */
import type { DrainRun } from './drain.js'

const WIDTH = 860
const LEFT = 64
const RIGHT = 20
const PANELS = { clients: { top: 66, height: 170 }, delivered: { top: 296, height: 90 } }
const HEIGHT = 462
const BUCKET_MS = 500

const COLOURS = { old: '#b45309', new: '#0f766e', bars: '#94a3b8', text: '#1f2937', faint: '#6b7280', grid: '#e5e7eb' }

type NumberFormat = (value: number) => string
/** The horizontal place of a time. */
type Scale = (ms: number) => number

interface Words {
  readonly title: (run: DrainRun) => string
  readonly clients: string
  readonly old: string
  readonly new: string
  readonly delivered: string
  readonly time: string
  readonly total: (run: DrainRun, number: NumberFormat) => string
}

const TEXTS: Readonly<Record<'en' | 'uk', Words>> = {
  en: {
    title: ({ clients }) => `A deploy under load: SIGHUP replaces two workers that serve ${clients} clients`,
    clients: 'connected clients',
    old: 'old build',
    new: 'new build',
    delivered: 'messages delivered per second',
    time: 'seconds after SIGHUP',
    total: ({ moved, delivered, seconds }, number) =>
      `${number(moved)} clients migrated in ${seconds.toFixed(1)} s. ` +
      `${number(delivered)} messages delivered, 0 lost, 0 delivered twice, 0 connections lost.`,
  },
  uk: {
    title: ({ clients }) => `Розгортання: SIGHUP замінює два процеси, які обслуговують ${clients} клієнтів`,
    clients: 'підключені клієнти',
    old: 'стара збірка',
    new: 'нова збірка',
    delivered: 'доставлено повідомлень за секунду',
    time: 'секунди після SIGHUP',
    total: ({ moved, delivered, seconds }, number) =>
      `Перейшло ${number(moved)} клієнтів за ${seconds.toFixed(1).replace('.', ',')} с. ` +
      `Доставлено ${number(delivered)} повідомлень: 0 загублено, 0 двічі, 0 розривів.`,
  },
}

const round = (value: number): number => Number(value.toFixed(1))

interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly size?: number
  readonly fill?: string
  readonly weight?: number
}

const text = (
  x: number,
  y: number,
  content: string,
  { anchor = 'start', size = 13, fill = COLOURS.faint, weight = 400 }: TextStyle = {},
): string =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight}" fill="${fill}">${content}</text>`

const line = (x1: number, y1: number, x2: number, y2: number, stroke = COLOURS.grid): string =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}"/>`

/** The smallest of 1, 2 or 5 × 10ⁿ that is at least `value`. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5].map((factor) => factor * power).find((candidate) => candidate >= value) ?? 10 * power
}

/** Messages per second, one value per bucket. */
function ratePerBucket({ deliveredAtMs, fromMs, toMs }: DrainRun): number[] {
  const rates = new Array<number>(Math.ceil((toMs - fromMs) / BUCKET_MS)).fill(0)
  for (const atMs of deliveredAtMs) {
    const bucket = Math.floor((atMs - fromMs) / BUCKET_MS)
    const rate = rates[bucket]
    if (rate !== undefined) rates[bucket] = rate + 1_000 / BUCKET_MS
  }
  // The last bucket is cut short by the end of the run.
  return rates.slice(0, -1)
}

/** @returns an SVG document */
export function drawChart(run: DrainRun, language: keyof typeof TEXTS): string {
  const words = TEXTS[language]
  const number: NumberFormat = (value) => value.toLocaleString(language === 'uk' ? 'uk-UA' : 'en-GB')
  const { fromMs, toMs } = run
  const x: Scale = (ms) => LEFT + ((ms - fromMs) / (toMs - fromMs)) * (WIDTH - LEFT - RIGHT)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif">`,
    `<title>${words.title(run)}. ${words.total(run, number)}</title>`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="8" fill="#ffffff" stroke="${COLOURS.grid}"/>`,
    text(LEFT, 30, words.title(run), { size: 16, weight: 600, fill: COLOURS.text }),
    ...clientsPanel(run, x, words, number),
    ...deliveredPanel(run, x, words, number),
    ...timeAxis(run, x, words),
    text(LEFT, HEIGHT - 16, words.total(run, number), { fill: COLOURS.text }),
    '</svg>',
    '',
  ].join('\n')
}

function clientsPanel(
  { clients, movedAtMs, fromMs, toMs }: DrainRun,
  x: Scale,
  words: Words,
  number: NumberFormat,
): string[] {
  const { top, height } = PANELS.clients
  const y = (count: number): number => top + height * (1 - count / clients)
  /** A line of steps; `value` turns the number of migrated clients into the count that it shows. */
  const steps = (value: (migrated: number) => number): string => {
    let path = `M${round(x(fromMs))} ${round(y(value(0)))}`
    for (const [index, atMs] of movedAtMs.toSorted((a, b) => a - b).entries()) {
      path += `H${round(x(atMs))}V${round(y(value(index + 1)))}`
    }
    return `${path}H${round(x(toMs))}`
  }
  const curve = (value: (migrated: number) => number, stroke: string): string =>
    `<path d="${steps(value)}" fill="none" stroke="${stroke}" stroke-width="2.5"/>`
  const isLate = { anchor: 'end', weight: 600 } as const
  return [
    text(LEFT, top - 12, words.clients),
    ...[0, clients / 2, clients].flatMap((count) => [
      line(LEFT, y(count), WIDTH - RIGHT, y(count)),
      text(LEFT - 8, y(count) + 4, number(count), { anchor: 'end' }),
    ]),
    curve((migrated) => clients - migrated, COLOURS.old),
    curve((migrated) => migrated, COLOURS.new),
    text(LEFT + 8, y(clients) + 20, words.old, { fill: COLOURS.old, weight: 600 }),
    text(WIDTH - RIGHT - 8, y(clients) + 20, words.new, { ...isLate, fill: COLOURS.new }),
  ]
}

function deliveredPanel(run: DrainRun, x: Scale, words: Words, number: NumberFormat): string[] {
  const { top, height } = PANELS.delivered
  const rates = ratePerBucket(run)
  const ceiling = niceCeiling(Math.max(...rates))
  const y = (rate: number): number => top + height * (1 - rate / ceiling)
  const width = x(BUCKET_MS) - x(0) - 1
  return [
    text(LEFT, top - 12, words.delivered),
    ...[0, ceiling].flatMap((rate) => [
      line(LEFT, y(rate), WIDTH - RIGHT, y(rate)),
      text(LEFT - 8, y(rate) + 4, number(rate), { anchor: 'end' }),
    ]),
    ...rates.map((rate, index) => {
      const left = x(run.fromMs + index * BUCKET_MS)
      const bar = { x: round(left), y: round(y(rate)), width: round(width), height: round(top + height - y(rate)) }
      return `<rect x="${bar.x}" y="${bar.y}" width="${bar.width}" height="${bar.height}" fill="${COLOURS.bars}"/>`
    }),
  ]
}

function timeAxis({ fromMs, toMs }: DrainRun, x: Scale, words: Words): string[] {
  const { top, height } = PANELS.delivered
  const bottom = top + height
  const seconds: number[] = []
  for (let second = Math.ceil(fromMs / 1_000); second <= toMs / 1_000; second += 1)
    if (second % 2 === 0) seconds.push(second)
  return [
    `<line x1="${round(x(0))}" y1="${PANELS.clients.top}" x2="${round(x(0))}" y2="${bottom}" stroke="${COLOURS.faint}" stroke-dasharray="4 4"/>`,
    text(x(0) + 6, PANELS.clients.top + PANELS.clients.height / 2 - 8, 'SIGHUP', { size: 12 }),
    ...seconds.map((second) => text(x(second * 1_000), bottom + 18, String(second), { anchor: 'middle', size: 12 })),
    text(WIDTH - RIGHT, bottom + 36, words.time, { anchor: 'end', size: 12 }),
  ]
}
