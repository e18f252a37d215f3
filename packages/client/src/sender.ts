/**
 * Sends pings, subscription requests and messages on a link, and handles those that the server refuses. core.ts decides on the
 * link and the time.
 */
import type { Channels } from './channels.js'
import type { Effects } from './effects.js'
import { ClientError } from './errors.js'
import type { LinkState } from './link-state.js'
import type { ErrorMessage } from './messages.js'
import type { Outbox } from './outbox.js'
import { cursorOf } from './position.js'
import { delayMs, type Bounds } from './reconnect.js'

export class Sender {
  readonly #outbox: Outbox
  readonly #channels: Channels
  readonly #effects: Effects
  readonly #bounds: Bounds
  readonly #newId: () => string
  /** The number of consecutive temporary refusals. */
  #refusals = 0

  constructor(outbox: Outbox, channels: Channels, effects: Effects, bounds: Bounds, newId: () => string) {
    this.#outbox = outbox
    this.#channels = channels
    this.#effects = effects
    this.#bounds = bounds
    this.#newId = newId
  }

  /** Sends a ping. Its pong follows everything that was due to the client when the server read the ping. */
  ping(link: LinkState, nowMs: number, patienceMs?: number): void {
    if (link.ping(nowMs, patienceMs)) this.#send(link, { type: 'ping' })
  }

  /** Requests the channels that the application wants, with a replay from their positions. */
  requests(link: LinkState): void {
    for (const { type, id, channels, position } of this.#channels.requests(this.#newId)) {
      this.#send(link, { type, id, channels, since: position && cursorOf(position) })
    }
  }

  messages(link: LinkState): void {
    const frames = this.#outbox.take((channel) => this.#channels.isReady(channel))
    for (const frame of frames) this.#effects.send(link, frame)
  }

  acked(id: string | undefined, offset: number): void {
    if (id !== undefined && this.#outbox.acked(id, offset)) this.#refusals = 0
  }

  refused(link: LinkState, { code, message, temporary, id = '', retryInMs }: ErrorMessage, nowMs: number): void {
    const error = new ClientError(code, message)
    const isMessage = this.#outbox.has(id)
    const channel = this.#channels.channelOf(id)
    if (!isMessage && channel === undefined) {
      // The refusal of a late `ping` concerns no promise.
      if (!temporary) this.#effects.emit('error', error)
    } else if (temporary) {
      // A failing journal may contain the message nevertheless.
      if (isMessage) this.#outbox.postponed(id, code !== 'journal_unavailable' && code !== 'internal')
      else this.#channels.answered(channel)
      // One refusal causes others: those of the messages that follow it.
      if (code === 'shutting_down') link.sendNotBeforeMs = Infinity
      else if (code !== 'out_of_order' && link.sendNotBeforeMs <= nowMs) {
        const waitMs = retryInMs ?? delayMs(this.#refusals++, false, this.#bounds)
        link.sendNotBeforeMs = nowMs + waitMs
        this.#effects.emit('throttled', { code, retryInMs: waitMs })
      }
    } else if (isMessage) this.#outbox.refused(id, error)
    else if (channel !== undefined) {
      this.#channels.lost(channel)
      this.#effects.lost(channel, error)
    }
  }

  #send(link: LinkState, message: object): void {
    this.#effects.send(link, JSON.stringify(message))
  }
}
