/**
 * `recovered`, and the codes 4008 and 4010: whether the server says that something is out of reach when it is, and only then. What
 * the head was is known within bounds, and exactly where a welcome begins "now".
 */
import { parseCursor } from './reading.mjs'

/** The window is trimmed once per second, and the machine may be busy. */
const TRIM_SLACK_MS = 4000

export function checkReach(reading, truth, terms, report) {
  const reach = new Reach(reading, truth, terms)
  for (const connection of reading.connections.values()) {
    let position = 0
    /** Those that are not answered. */
    const asked = new Map()
    for (const frame of connection.frames) {
      const bad = (kind, text) => report.add(kind, `${connection.id}: ${text}`, frame.index)
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
        // It was owed the past of what it asked for, too.
        const since = [...asked.values()].flatMap((each) => parseCursor(each.since) ?? [])
        const owed = since.filter(({ epoch }) => epoch === connection.epoch).map(({ offset }) => offset)
        checkTooSlow(Math.min(position, ...owed), frame, reach, bad)
      }
      position = Math.max(position, frame.offset ?? parseCursor(frame.cursor)?.offset ?? 0)
    }
  }
}

function checkWelcome({ connect }, welcome, reach, bad) {
  const { recovered } = welcome
  if ((recovered === null) !== (connect.cursor === undefined)) {
    bad('wrong-recovered', `recovered is ${recovered} for the cursor ${connect.cursor}`)
    return
  }
  const given = parseCursor(connect.cursor)
  const begin = parseCursor(welcome.cursor)
  if (recovered === true) {
    if (given?.epoch !== begin?.epoch) bad('pretended', `recovered from another journal: ${connect.cursor}`)
    else if (reach.isSurelyGone(given.offset, connect)) bad('pretended', `recovered from ${given.offset}, out of reach`)
    return
  }
  if (reach.isSurelyBehind(begin.offset, connect.index)) {
    bad('stale-start', `begins at ${begin.offset}, more was known before`)
  }
  if (recovered === null || !given || given.epoch !== begin.epoch || given.offset > begin.offset) {
    // Ahead of the journal it is only where the journal has lost something: cursors come from servers.
    if (given?.epoch === begin.epoch && !reach.wasLost(given, welcome))
      bad('wrong-recovered', `the head is ${begin.offset}, ${given.offset} was told`)
  } else if (!reach.mayBeGone(given.offset, begin.offset, welcome.at)) {
    bad('wrong-recovered', `recovered is false, and ${given.offset} is within reach of ${begin.offset}`)
  }
}

function checkSubscribed({ epoch }, asked, answer, reach, bad) {
  const since = parseCursor(asked?.since)
  const isForeign = since !== undefined && since.epoch !== epoch
  if ((answer.recovered === null) !== (asked?.since === undefined)) {
    bad('wrong-recovered', `recovered is ${answer.recovered} for since ${asked?.since}`)
  } else if (answer.recovered === true) {
    if (isForeign) bad('pretended', `a replay from another journal: ${asked.since}`)
    else if (reach.isSurelyGone(since.offset, asked)) bad('pretended', `a replay from ${since.offset}, out of reach`)
  } else if (answer.recovered === false) {
    const head = reach.headAtMost(answer.index)
    const isJustified = !since || isForeign || since.offset > head || reach.mayBeGone(since.offset, head, answer.at)
    if (!isJustified) bad('wrong-recovered', `no replay from ${since.offset}, within reach of ${head}`)
  }
}

function checkTooSlow(position, closed, reach, bad) {
  const head = reach.headAtMost(closed.index)
  if (!reach.mayBeGone(position, head, closed.at)) bad('wrong-4008', `at ${position}, within reach of ${head}`)
}

class Reach {
  #reading
  #terms
  /** By event: the lowest offset of what was said only afterwards. */
  #saidAfter
  #sorted
  /** The offsets of the messages that are known, in order. */
  #messages
  /** What the broker has lost. */
  #losses
  /** Wall clock minus the history's. */
  #clockMs

  constructor(reading, truth, terms) {
    this.#reading = reading
    this.#terms = terms
    this.#sorted = [...truth.entries.values()].filter(({ at }) => at !== undefined).sort((a, b) => a.offset - b.offset)
    const isMessage = ({ kind }) => kind !== 'presence'
    this.#messages = [...truth.entries.values()]
      .filter(isMessage)
      .map(({ offset }) => offset)
      .sort((a, b) => a - b)
    this.#losses = reading.events.flatMap((event, index) =>
      event.type === 'broker' && event.what === 'lost' ? [{ ...event, index }] : [],
    )
    this.#saidAfter = new Array(reading.events.length)
    let lowest = Infinity
    for (let index = reading.events.length - 1; index >= 0; index--) {
      this.#saidAfter[index] = lowest
      const { type, client, id } = reading.events[index]
      if (type === 'publish') lowest = Math.min(lowest, truth.placesOf(client, id)[0] ?? Infinity)
    }
    const begin = reading.events.find(({ type }) => type === 'begin')
    this.#clockMs = begin ? begin.wallMs - begin.at : 0
  }

  /** The journal's head at this event was not above this. */
  headAtMost(index) {
    return Math.min(this.#saidAfter[index] - 1, this.#reading.head)
  }

  /** Whether a broker had lost what stood at this cursor. */
  wasLost({ epoch, offset }, { index }) {
    return this.#losses.some((loss) => loss.index < index && loss.epoch === epoch && offset > loss.offset)
  }

  /**
   * Whether this server may have found that the journal was replaced: it then welcomes later connections to the new journal,
   * or none. A connection that began before the close tells nothing: its client may read an old welcome late.
   */
  isReplaced({ node, epoch }, { index }) {
    if (!this.#losses.some((loss) => loss.index < index)) return false
    const later = this.#reading.all.filter((other) => other.node === node && other.connect.index > index)
    return later.length === 0 || later.some((other) => other.epoch !== epoch)
  }

  /** Whether the head was known to be above this before. Another instance may not have read that far. */
  isSurelyBehind(offset, index) {
    return this.#terms.instances === 1 && offset < this.#reading.headBefore[index]
  }

  /** Whether what follows this offset may have been out of reach, at the latest at this time. */
  mayBeGone(offset, head, at) {
    const { historySize, historyTtlMs } = this.#terms
    if (offset < head - historySize) return true
    // The journal is as old as the history.
    if (at < historyTtlMs) return false
    // What follows was said no earlier than this, if its own time is not known.
    const before = this.#sorted[this.#countUpTo(offset + 1) - 1]
    return before === undefined || before.at < this.#clockMs + at - historyTtlMs
  }

  /** Whether it must have been out of reach already when the connection was begun. */
  isSurelyGone(offset, { index, at }) {
    const { instances, historySize, historyTtlMs } = this.#terms
    if (instances > 1) return false
    // HISTORY_SIZE counts messages; changes of presence and records of instances lie between them.
    if (this.#countMessages(offset, this.#reading.headBefore[index]) > historySize) return true
    const next = this.#sorted[this.#countUpTo(offset)]
    return (
      next !== undefined &&
      next.offset <= this.#reading.headBefore[index] &&
      next.at < this.#clockMs + at - historyTtlMs - TRIM_SLACK_MS
    )
  }

  /** How many messages are known to stand after `after` and up to `upTo`. */
  #countMessages(after, upTo) {
    let count = 0
    for (let at = this.#messages.length - 1; at >= 0 && this.#messages[at] > after; at--) {
      if (this.#messages[at] <= upTo) count++
    }
    return count
  }

  /** How many entries whose time is known stand up to this offset. */
  #countUpTo(offset) {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sorted[middle].offset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
