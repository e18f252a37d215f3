/**
 * The change of the epoch: how the server closes its connections after the journal was replaced. A client that counts
 * in the old journal would misread the new offsets. Each connection of the old epoch therefore leaves the delivery at
 * once, and the server closes it in its turn, so that the clients do not all reconnect together (docs/adr/0019).
 */
import { TEXTS, type ClosingMessage } from '@lastcall/protocol'
import type { Clock } from '../clock.js'
import { CLOSE_TICK_MS, ClosePace, ClosesMade } from '../connections/close-pace.js'
import { CLOSES } from '../connections/closes.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import { UTF8_ENCODING } from '../connections/encoding.js'
import type { Logger } from '../observability/log.js'
import type { Feed } from './feed.js'
import type { Subscriptions } from './subscriptions.js'

export interface EpochChangeOptions {
  readonly feed: Feed
  readonly subscriptions: Pick<Subscriptions, 'channelsOf' | 'leave'>
  readonly connections: Pick<ConnectionManager, 'all' | 'closePolitely'>
  readonly clock: Clock
  /** A number from 0 to 1 that decides when a client reconnects within `RETURN_WITHIN_MS`. */
  readonly random: () => number
  readonly log: Logger
}

/** The time over which the clients that one tick closes reconnect, in milliseconds. */
const RETURN_WITHIN_MS = 1000

export class EpochChange {
  readonly #options: EpochChangeOptions
  /** The connections of old epochs. The one that has waited longest is first. */
  #queue: Connection[] = []
  /** The index in `#queue` of the connection that is closed next. */
  #next = 0
  #stopTimer: (() => void) | undefined

  constructor(options: EpochChangeOptions) {
    this.#options = options
    options.feed.observe({
      onReset: (isReplaced) => {
        if (isReplaced) this.#begin()
      },
    })
  }

  /** Ends the pacing. A shutdown calls it before it closes every connection itself. */
  stop(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    this.#queue = []
    this.#next = 0
  }

  /** Takes every connection out of the delivery. A connection that was about to be closed gets its close frame now. */
  #begin(): void {
    const { connections, subscriptions, clock } = this.#options
    for (const connection of connections.all()) {
      // A connection from before the previous replacement has left already and is in the queue.
      if (!subscriptions.channelsOf(connection)) continue
      subscriptions.leave(connection)
      if (!connection.serverClose) this.#queue.push(connection)
    }
    if (this.#queue.length === 0 || this.#stopTimer) return
    const startedMs = clock.monotonic()
    const pace = new ClosePace(startedMs)
    const made = new ClosesMade()
    this.#stopTimer = clock.every(CLOSE_TICK_MS, () => {
      const nowMs = clock.monotonic()
      const due = pace.takeDue(nowMs)
      const count = this.#close(due)
      made.add(count, nowMs)
      if (count < due) this.#end(made, nowMs - startedMs)
    })
  }

  /** Closes so many connections, and returns how many there were: fewer when the queue has ended. */
  #close(count: number): number {
    let made = 0
    for (; made < count; this.#next++) {
      const connection = this.#queue[this.#next]
      if (!connection) break
      if (connection.serverClose || !connection.transport.isOpen) continue
      this.#closeOne(connection)
      made++
    }
    return made
  }

  #end({ total, mostInASecond }: ClosesMade, forMs: number): void {
    this.stop()
    this.#options.log.info(
      'journal.closes',
      { connections: total, mostInASecond, forMs: Math.round(forMs) },
      'the server has closed every connection of the journal that was replaced',
    )
  }

  #closeOne(connection: Connection): void {
    const { connections, random } = this.#options
    const { code, reason } = CLOSES.journalReplaced
    const message: ClosingMessage = {
      type: 'closing',
      code,
      reason: TEXTS[connection.locale].reasons[reason],
      returnInMs: Math.floor(random() * RETURN_WITHIN_MS),
    }
    const encoding = connection.transport.encoding ?? UTF8_ENCODING
    const lastFrame = encoding.encode(JSON.stringify(message))
    connections.closePolitely(connection, { ...CLOSES.journalReplaced, lastFrame })
  }
}
