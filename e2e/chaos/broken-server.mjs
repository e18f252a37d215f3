/**
 * Servers with a defect built in, to show that the checker would notice: a copy of the built server with one line changed.
 */
import { changedServer } from '../changed-server.js'

/** name → what is changed in which file of the built server */
export const DEFECTS = {
  /** Forgets who has said what with which id. */
  dedup: {
    file: 'hub/retry-index.js',
    from: 'offsets.set(id, offset)',
    to: 'void offset',
  },
  /** The first entry that a client missed is left out. */
  'catch-up': {
    file: 'hub/subscriptions.js',
    from: 'delivery.catchUps.begin(subscriber, cursor.offset,',
    to: 'delivery.catchUps.begin(subscriber, cursor.offset + 1,',
  },
  /** The last entry that a client heard comes again. */
  repeat: {
    file: 'hub/subscriptions.js',
    from: 'delivery.catchUps.begin(subscriber, cursor.offset,',
    to: 'delivery.catchUps.begin(subscriber, Math.max(0, cursor.offset - 1),',
  },
  /** Who can't be served what it missed is told that it missed nothing. */
  pretend: {
    file: 'hub/subscriptions.js',
    from: 'return { cursor: feed.cursorAt(feed.window.head), recovered: false }',
    to: 'return { cursor: formatCursor(cursor), recovered: true }',
  },
  /** Whoever comes back is told that something is missing. */
  'cry-wolf': {
    file: 'hub/subscriptions.js',
    from: 'if (!feed.canRecover(cursor)) {',
    to: 'if (cursor.offset % 8 === 0 || !feed.canRecover(cursor)) {',
  },
  /** For `--journal redis`: a stream that is long enough is taken for the one that was read. */
  'log-matching': {
    file: 'journal/redis/log-matching.js',
    from: 'atOwnPlace?.equals(own.bytes)',
    to: 'atOwnPlace !== undefined',
  },
}

/**
 * @param {keyof typeof DEFECTS} defect
 * @returns {{ cli: string, remove: () => void }} Its command.
 * @throws {Error} The line that is to be changed is not there, or not once.
 */
export const breakServer = (defect) => changedServer([DEFECTS[defect]])
