/**
 * Defects that the simulation must find: each is a changed line of a built file.
 */

export interface Change {
  /** Under the root of the repository. */
  readonly file: string
  /** Stands in the file once. */
  readonly from: string
  readonly to: string
}

const SERVER = 'packages/server/dist'
const SUBSCRIPTIONS = `${SERVER}/hub/subscriptions.js`

export const DEFECTS = {
  /** The server forgets which client has sent which id. */
  dedup: { file: `${SERVER}/hub/retry-index.js`, from: 'offsets.set(id, offset)', to: 'void offset' },
  /** The server leaves out the first entry that a client has missed. */
  'catch-up': {
    file: SUBSCRIPTIONS,
    from: 'delivery.catchUps.begin(subscriber, cursor.offset,',
    to: 'delivery.catchUps.begin(subscriber, cursor.offset + 1,',
  },
  /** The server answers `recovered: true` to a client whose entries are evicted. */
  pretend: {
    file: SUBSCRIPTIONS,
    from: 'return { cursor: feed.cursorAt(feed.window.head), recovered: false }',
    to: 'return { cursor: formatCursor(cursor), recovered: true }',
  },
  /** The journal delivers entries that its disk has not synced to readers, and answers their appends. */
  'ack-before-durable': {
    file: 'dist/simulation/journal.js',
    from: 'const WAITS_FOR_DISK = true',
    to: 'const WAITS_FOR_DISK = false',
  },
} as const satisfies Record<string, Change>

export type Defect = keyof typeof DEFECTS

export const isDefect = (name: string): name is Defect => Object.hasOwn(DEFECTS, name)
