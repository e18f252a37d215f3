/**
 * Servers with a defect built in, to show that the checker would notice: a copy of the built server with one line changed.
 */
import { changedServer, type ChangedServer } from '../changed-server.js'

/** name → what is changed in which file of the built server */
export const DEFECTS = {
  /** The server forgets the ids of the messages that it has accepted. */
  dedup: {
    file: 'hub/retry-index.js',
    from: 'offsets.set(id, offset)',
    to: 'void offset',
  },
  /** A replay omits the first entry that a client missed. */
  'catch-up': {
    file: 'hub/subscriptions.js',
    from: 'delivery.catchUps.begin(subscriber, cursor.offset,',
    to: 'delivery.catchUps.begin(subscriber, cursor.offset + 1,',
  },
  /** A replay repeats the last entry that a client received. */
  repeat: {
    file: 'hub/subscriptions.js',
    from: 'delivery.catchUps.begin(subscriber, cursor.offset,',
    to: 'delivery.catchUps.begin(subscriber, Math.max(0, cursor.offset - 1),',
  },
  /** The server reports `recovered: true` to a client whose missed entries it has evicted. */
  pretend: {
    file: 'hub/subscriptions.js',
    from: 'return { cursor: feed.cursorAt(feed.window.head), recovered: false }',
    to: 'return { cursor: formatCursor(cursor), recovered: true }',
  },
  /** The server reports `recovered: false` to clients that missed nothing. */
  'cry-wolf': {
    file: 'hub/subscriptions.js',
    from: 'if (!feed.canRecover(cursor)) {',
    to: 'if (cursor.offset % 8 === 0 || !feed.canRecover(cursor)) {',
  },
  /** For `--journal redis`: the server takes any stream that is long enough for the one that it has read. */
  'log-matching': {
    file: 'journal/redis/log-matching.js',
    from: 'atOwnPlace?.equals(own.bytes)',
    to: 'atOwnPlace !== undefined',
  },
}

export type Defect = keyof typeof DEFECTS

export const isDefect = (name: string): name is Defect => Object.hasOwn(DEFECTS, name)

/**
 * @returns Its command.
 * @throws {Error} The line that is to be changed is not there, or not once.
 */
export const breakServer = (defect: Defect): ChangedServer => changedServer([DEFECTS[defect]])
