/**
 * `recovered`, and the codes 4008 and 4010: whether the server reports entries as out of reach when they are, and only then. The
 * head of the journal is known within bounds, and exactly where a welcome begins "now".
 */
import type { EventOf, Terms } from '../history-events.js'
import { parseCursor, type Connection, type Cursor, type FrameEvent, type Indexed, type Reading } from './reading.js'
import type { Report } from './report.js'
import { countUpTo, type Truth } from './truth.js'

/** The server trims the window once per second, and the machine may be busy. */
const TRIM_SLACK_MS = 4000

type Bad = (kind: string, text: string) => void

export function checkReach(reading: Reading, truth: Truth, terms: Terms, report: Report): void {
  const reach = new Reach(reading, truth, terms)
  for (const connection of reading.connections.values()) {
    let position = 0
    /** The requests that the server has not answered. */
    const asked = new Map<string | undefined, Indexed<'subscribe'>>()
    for (const frame of connection.frames) {
      const bad: Bad = (kind, text) => report.add(kind, `${connection.id}: ${text}`, frame.index)
      if (frame.type === 'welcome') checkWelcome(connection, frame, reach, bad)
      else if (frame.type === 'subscribe') asked.set(frame.request, frame)
      else if (frame.type === 'subscribed') {
        checkSubscribed(connection, asked.get(frame.request), frame, reach, bad)
        asked.delete(frame.request)
      } else if (frame.type === 'refused') asked.delete(frame.id)
      else if (
        frame.type === 'closed' &&
        (frame.code === 4008 || frame.code === 4010) &&
        !reach.isReplaced(connection, frame)
      ) {
        // The server owed the connection the replays that it had asked for, too.
        const since = [...asked.values()].flatMap((each) => parseCursor(each.since) ?? [])
        const owed = since.filter(({ epoch }) => epoch === connection.epoch).map(({ offset }) => offset)
        checkTooSlow(Math.min(position, ...owed), frame, reach, bad)
      }
      position = Math.max(position, placeOf(frame))
    }
  }
}

/** The offset that a frame shows; 0: none. */
function placeOf(frame: FrameEvent): number {
  if ('offset' in frame) return frame.offset
  return 'cursor' in frame ? (parseCursor(frame.cursor)?.offset ?? 0) : 0
}

function checkWelcome({ connect }: Connection, welcome: Indexed<'welcome'>, reach: Reach, bad: Bad): void {
  const { recovered } = welcome
  if ((recovered === null) !== (connect.cursor === undefined)) {
    bad('wrong-recovered', `recovered is ${recovered} for the cursor ${connect.cursor}`)
    return
  }
  const given = parseCursor(connect.cursor)
  const begin = parseCursor(welcome.cursor)
  if (!begin) {
    bad('wrong-start', `begins at ${welcome.cursor}, which is no cursor`)
    return
  }
  if (recovered === true) {
    if (given?.epoch !== begin.epoch) bad('pretended', `recovered from another journal: ${connect.cursor}`)
    else if (reach.isSurelyGone(given.offset, connect)) bad('pretended', `recovered from ${given.offset}, out of reach`)
    return
  }
  if (reach.isSurelyBehind(begin.offset, connect.index)) {
    bad('stale-start', `begins at ${begin.offset}, more was known before`)
  }
  if (recovered === null || !given || given.epoch !== begin.epoch || given.offset > begin.offset) {
    // A cursor comes from a server, so it is ahead of the journal only where the journal has lost entries.
    if (given?.epoch === begin.epoch && !reach.wasLost(given, welcome))
      bad('wrong-recovered', `the head is ${begin.offset}, ${given.offset} was told`)
  } else if (!reach.mayBeGone(given.offset, begin.offset, welcome.at)) {
    bad('wrong-recovered', `recovered is false, and ${given.offset} is within reach of ${begin.offset}`)
  }
}

function checkSubscribed(
  { epoch }: Connection,
  asked: Indexed<'subscribe'> | undefined,
  answer: Indexed<'subscribed'>,
  reach: Reach,
  bad: Bad,
): void {
  const since = parseCursor(asked?.since)
  const isForeign = since !== undefined && since.epoch !== epoch
  if ((answer.recovered === null) !== (asked?.since === undefined)) {
    bad('wrong-recovered', `recovered is ${answer.recovered} for since ${asked?.since}`)
  } else if (answer.recovered === true) {
    if (!asked || !since) bad('pretended', `a replay from ${asked?.since}, which is no cursor`)
    else if (isForeign) bad('pretended', `a replay from another journal: ${asked.since}`)
    else if (reach.isSurelyGone(since.offset, asked)) bad('pretended', `a replay from ${since.offset}, out of reach`)
  } else if (answer.recovered === false) {
    const head = reach.headAtMost(answer.index)
    const isJustified = !since || isForeign || since.offset > head || reach.mayBeGone(since.offset, head, answer.at)
    if (!isJustified) bad('wrong-recovered', `no replay from ${since.offset}, within reach of ${head}`)
  }
}

function checkTooSlow(position: number, closed: Indexed<'closed'>, reach: Reach, bad: Bad): void {
  const head = reach.headAtMost(closed.index)
  if (!reach.mayBeGone(position, head, closed.at)) bad('wrong-4008', `at ${position}, within reach of ${head}`)
}

class Reach {
  readonly #reading: Reading
  readonly #terms: Terms
  /** By event: the lowest offset of the messages that clients published only afterwards. */
  readonly #saidAfter: readonly number[]
  /** The entries whose time is known, in order. */
  readonly #timed: readonly { readonly offset: number; readonly at: number }[]
  /** The messages that are known, in order. */
  readonly #messages: readonly { readonly offset: number }[]
  /** The events at which the broker lost entries. */
  readonly #losses: readonly (EventOf<'broker'> & { readonly index: number })[]
  /** Wall clock minus the history's. */
  readonly #clockMs: number

  constructor(reading: Reading, truth: Truth, terms: Terms) {
    this.#reading = reading
    this.#terms = terms
    const messages = [...truth.entries.values()]
      .flatMap((entry) => (entry.kind === 'presence' ? [] : [entry]))
      .sort((a, b) => a.offset - b.offset)
    this.#messages = messages
    this.#timed = messages.flatMap(({ offset, at }) => (at === undefined ? [] : [{ offset, at }]))
    this.#losses = reading.events.flatMap((event, index) =>
      event.type === 'broker' && event.what === 'lost' ? [{ ...event, index }] : [],
    )
    this.#saidAfter = lowestPublishedAfter(reading, truth)
    const begin = reading.events.find((event) => event.type === 'begin')
    this.#clockMs = begin ? begin.wallMs - begin.at : 0
  }

  /** The journal's head at this event was not above this. */
  headAtMost(index: number): number {
    return Math.min((this.#saidAfter[index] ?? Infinity) - 1, this.#reading.head)
  }

  /** Whether a broker had lost what stood at this cursor. */
  wasLost({ epoch, offset }: Cursor, { index }: Indexed<'welcome'>): boolean {
    return this.#losses.some(
      (loss) => loss.index < index && loss.epoch === epoch && loss.offset !== undefined && offset > loss.offset,
    )
  }

  /**
   * Whether this server may have found that the journal was replaced: it then welcomes later connections to the new journal,
   * or none. A connection that began before the close tells nothing: its client may read an old welcome late.
   */
  isReplaced({ node, epoch }: Connection, { index }: Indexed<'closed'>): boolean {
    if (!this.#losses.some((loss) => loss.index < index)) return false
    const later = this.#reading.all.filter((other) => other.node === node && other.connect.index > index)
    return later.length === 0 || later.some((other) => other.epoch !== epoch)
  }

  /** Whether the head was known to be above this before. Another instance may not have read that far. */
  isSurelyBehind(offset: number, index: number): boolean {
    return this.#terms.instances === 1 && offset < this.#knownHeadBefore(index)
  }

  #knownHeadBefore(index: number): number {
    return this.#reading.headBefore[index] ?? 0
  }

  /** Whether the entries after this offset may have been out of reach, at the latest at this time. */
  mayBeGone(offset: number, head: number, at: number): boolean {
    const { historySize, historyTtlMs } = this.#terms
    if (offset < head - historySize) return true
    // The journal is as old as the history.
    if (at < historyTtlMs) return false
    // If the time of the next entry is not known, it is no earlier than that of the entry before.
    const before = this.#timed[countUpTo(this.#timed, offset + 1) - 1]
    return before === undefined || before.at < this.#clockMs + at - historyTtlMs
  }

  /** Whether they must have been out of reach already when the connection was begun. */
  isSurelyGone(offset: number, { index, at }: { readonly index: number; readonly at: number }): boolean {
    const { instances, historySize, historyTtlMs } = this.#terms
    if (instances > 1) return false
    const head = this.#knownHeadBefore(index)
    // HISTORY_SIZE counts messages; changes of presence and records of instances lie between them.
    if (countUpTo(this.#messages, head) - countUpTo(this.#messages, offset) > historySize) return true
    const next = this.#timed[countUpTo(this.#timed, offset)]
    return next !== undefined && next.offset <= head && next.at < this.#clockMs + at - historyTtlMs - TRIM_SLACK_MS
  }
}

function lowestPublishedAfter(reading: Reading, truth: Truth): number[] {
  const after: number[] = []
  let lowest = Infinity
  for (const event of reading.events.toReversed()) {
    after.push(lowest)
    if (event.type === 'publish') lowest = Math.min(lowest, truth.placesOf(event.client, event.id)[0] ?? Infinity)
  }
  return after.reverse()
}
