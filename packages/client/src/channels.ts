/**
 * The channels that the application wants, and the state of each subscription at the server. A channel that the client
 * subscribes to while it is behind has a position of its own until the server has replayed its entries.
 */
import { LOBBY } from './messages.js'
import type { Position } from './position.js'

interface Entry {
  isWanted: boolean
  /** The server has subscribed the client. */
  isActive: boolean
  /** The channel's own position, where it differs from the client's: `subscribed` has not arrived yet. */
  position: Position | undefined
  /** The pending request. */
  request: string | undefined
}

/** The requests to send: one per channel, so that the refusal of one affects no other. */
export interface Request {
  readonly type: 'subscribe' | 'unsubscribe'
  readonly id: string
  readonly channels: readonly [string]
  /** For `subscribe`: replay from here. */
  readonly position: Position | undefined
}

export class Channels {
  readonly #isNeeded: (channel: string) => boolean
  readonly #entries = new Map<string, Entry>()
  #isInLobby = false

  /** @param isNeeded Whether messages to a channel still wait for an ack. Until then the channel stays, wanted or not. */
  constructor(isNeeded: (channel: string) => boolean) {
    this.#isNeeded = isNeeded
  }

  /** @param position The start of the subscription; `undefined`: the next handshake names the channel. */
  want(channel: string, position: Position | undefined): void {
    const entry = this.#entries.get(channel)
    if (!entry) {
      const isActive = channel === LOBBY && this.#isInLobby
      if (isActive) position = undefined
      this.#entries.set(channel, { isWanted: true, isActive, position, request: undefined })
    } else if (!entry.isWanted) {
      entry.isWanted = true
      // If its unsubscribe is pending or done, the client has to subscribe again.
      if (!entry.isActive || entry.request !== undefined) entry.position = position
    }
  }

  unwant(channel: string): void {
    const entry = this.#entries.get(channel)
    if (entry) entry.isWanted = false
  }

  /** Whether the application wants the messages of this channel. `undefined`: a direct message. */
  hears(channel: string | undefined): boolean {
    return channel === undefined || channel === LOBBY || this.#entries.get(channel)?.isWanted === true
  }

  /** Whether a message to it would neither precede its `subscribe` nor follow its `unsubscribe`. */
  isReady(channel: string): boolean {
    const entry = this.#entries.get(channel)
    // The pending request of an active channel is an `unsubscribe`, which would precede the message.
    return !entry || (entry.isActive && entry.request === undefined)
  }

  /** The channels that the handshake names: the resumed stream contains what the client missed in them. */
  get established(): string[] {
    const named: string[] = []
    for (const [channel, entry] of this.#entries) {
      if (entry.position === undefined && this.#isDue(channel, entry)) named.push(channel)
    }
    return named
  }

  /** Whether a request is pending. */
  get isAsking(): boolean {
    return [...this.#entries.values()].some(({ request }) => request !== undefined)
  }

  /** Whether the server has subscribed the client to exactly these channels, as far as the client knows. */
  areIn(joined: readonly string[]): boolean {
    return (
      this.#isInLobby === joined.includes(LOBBY) &&
      [...this.#entries].every(([channel, { isActive }]) => !isActive || joined.includes(channel))
    )
  }

  /**
   * Advances a channel's own position. Returns `undefined` when the channel has none, otherwise whether the offset is new.
   */
  advance(channel: string | undefined, offset: number, cursor?: string): boolean | undefined {
    const entry = this.#entries.get(channel ?? '')
    if (entry?.position === undefined) return undefined
    const { position } = entry
    if (offset <= position.offset) return false
    entry.position = { offset, given: cursor ?? position.given }
    return true
  }

  /**
   * The server has accepted the client.
   *
   * @param joined The channels to which the server has subscribed it.
   * @param start The position at which the connection begins.
   * @param isGapless Whether the positions are still valid; otherwise every channel begins at `start`.
   */
  welcomed(joined: readonly string[], start: Position, isGapless: boolean): void {
    this.#isInLobby = joined.includes(LOBBY)
    for (const [channel, entry] of this.#entries) {
      entry.isActive = entry.position === undefined && joined.includes(channel)
      if (!entry.isActive && (entry.position === undefined || !isGapless)) entry.position = start
    }
  }

  /** The requests to send now. */
  requests(newId: () => string): Request[] {
    const requests: Request[] = []
    for (const [channel, entry] of this.#entries) {
      const { isActive, position, request } = entry
      const isDue = this.#isDue(channel, entry)
      if (request !== undefined) continue
      if (isDue !== isActive) {
        entry.request = newId()
        requests.push({ type: isDue ? 'subscribe' : 'unsubscribe', id: entry.request, channels: [channel], position })
      } else if (!isDue) this.#entries.delete(channel)
    }
    return requests
  }

  /**
   * The answer to a request for this channel.
   *
   * @param isActive Whether the client is subscribed now. Default: unchanged, the server refused temporarily.
   */
  answered(channel: string | undefined, isActive?: boolean): void {
    const entry = this.#entries.get(channel ?? '')
    if (!entry) return
    entry.request = undefined
    entry.isActive = isActive ?? entry.isActive
    // An unsubscribe that failed: if the application wants the channel again by now, the client needs no replay of it.
    if (entry.isActive) entry.position = undefined
  }

  /** The channel of this request. */
  channelOf(id: string | undefined): string | undefined {
    if (id !== undefined) for (const [channel, { request }] of this.#entries) if (request === id) return channel
    return undefined
  }

  /** The server refused the subscription for good. */
  lost(channel: string): void {
    this.#entries.delete(channel)
  }

  /** The connection has ended. */
  cut(): void {
    for (const entry of this.#entries.values()) {
      entry.isActive = false
      entry.request = undefined
    }
  }

  #isDue(channel: string, entry: Entry): boolean {
    return entry.isWanted || this.#isNeeded(channel) || (channel === LOBBY && entry.isActive)
  }
}
