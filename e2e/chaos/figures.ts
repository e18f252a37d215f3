/** The figures of a run, for its progress and its summary. */
import type { Disasters } from './disasters.js'
import type { History } from './history.js'
import type { Servers } from './servers.js'

/** The names of the figures that every run has. */
type FigureName =
  | 'published'
  | 'told'
  | 'connections'
  | 'resumed'
  | 'outOfReach'
  | 'tooSlow'
  | 'takenOver'
  | 'replays'
  | 'faults'
  | 'killed'
  | 'stopped'

/** name → count; besides the fixed names those of the disasters. */
export type Figures = Readonly<Record<string, number>>

const FIXED: ReadonlySet<string> = new Set<FigureName>([
  ...(['published', 'told', 'connections', 'resumed', 'outOfReach', 'tooSlow'] as const),
  ...(['takenOver', 'replays', 'faults', 'killed', 'stopped'] as const),
])

export function figuresOf({ events }: History, faults: number, servers: Servers, disasters: Disasters): Figures {
  const counts = new Map<string, number>()
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
  for (const event of events) {
    count(event.type)
    if (event.type === 'welcome') count(`recovered ${event.recovered}`)
    if (event.type === 'subscribed' && event.recovered === true) count('replays')
    if (event.type === 'closed') count(`closed ${event.code}`)
  }
  const of = (what: string): number => counts.get(what) ?? 0
  return {
    published: of('publish'),
    told: of('message') + of('direct') + of('presence'),
    connections: of('connect'),
    resumed: of('recovered true'),
    outOfReach: of('recovered false'),
    tooSlow: of('closed 4008'),
    takenOver: of('closed 4001'),
    replays: of('replays'),
    faults,
    killed: servers.killed,
    stopped: servers.stopped,
    ...Object.fromEntries(disasters.counts),
  }
}

/** For people. */
export function inWords(figures: Figures): string {
  const of = (name: FigureName): number => figures[name] ?? 0
  return [
    `${of('published')} published, ${of('told')} told, ${of('connections')} connections`,
    `${of('resumed')} resumed, ${of('outOfReach')} out of reach, ${of('tooSlow')} too slow`,
    `${of('takenOver')} taken over, ${of('replays')} replays`,
    `${of('faults')} faults, ${of('killed')} kills, ${of('stopped')} stops`,
    ...Object.entries(figures).flatMap(([name, count]) => (FIXED.has(name) ? [] : [`${count} × ${name}`])),
  ].join(', ')
}
