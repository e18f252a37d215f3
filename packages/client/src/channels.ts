/**
 * The channels the application wants, and how far the server has been asked for them. A channel that was asked for while
 * the client was somewhere in the journal has a position of its own until the server has replayed what came since.
 */
import { LOBBY } from './messages.js'
import type { Position } from './position.js'

interface Entry {
  isWanted: boolean
  /** The server counts us in. */
  isActive: boolean
  /** Heard up to this offset, where that is not the client's own position: `subscribed` has not come yet. */
  position: Position | undefined
  /** The request that is not answered. */
  request: string | undefined
}

/** What to ask of the server: channel by channel, so that one which is refused takes no other along. */
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

  /** @param isNeeded Whether something is still to be said in a channel: so long it is kept, wanted or not. */
  constructor(isNeeded: (channel: string) => boolean) {
    this.#isNeeded = isNeeded
  }

  /** @param position Hear it from here on; `undefined`: it is named in the next handshake. */
  want(channel: string, position: Position | undefined): void {
    const entry = this.#entries.get(channel)
    if (!entry) {
      const isActive = channel === LOBBY && this.#isInLobby
      if (isActive) position = undefined
      this.#entries.set(channel, { isWanted: true, isActive, position, request: undefined })
    } else if (!entry.isWanted) {
      entry.isWanted = true
      // If its unsubscribe is on the way, or done, it will have to be asked for again.
      if (!entry.isActive || entry.request !== undefined) entry.position = position
    }
  }

  unwant(channel: string): void {
    const entry = this.#entries.get(channel)
    if (entry) entry.isWanted = false
  }

  /** Whether what is said there concerns the application. `undefined`: said to this client alone. */
  hears(channel: string | undefined): boolean {
    return channel === undefined || channel === LOBBY || this.#entries.get(channel)?.isWanted === true
  }

  /** Whether a message to it would not come before its own `subscribe`, nor after its `unsubscribe`. */
  isReady(channel: string): boolean {
    const entry = this.#entries.get(channel)
    // What is asked of an active one is to be left out: that would come first, too.
    return !entry || (entry.isActive && entry.request === undefined)
  }

  /** Those to name in the handshake: what they missed is in the stream that is resumed. */
  get established(): string[] {
    const named: string[] = []
    for (const [channel, entry] of this.#entries) {
      if (entry.position === undefined && this.#isDue(channel, entry)) named.push(channel)
    }
    return named
  }

  /** Whether a request is not answered. */
  get isAsking(): boolean {
    return [...this.#entries.values()].some(({ request }) => request !== undefined)
  }

  /** Whether these are the channels in which the server counts us in, as far as the client knows of them. */
  areIn(joined: readonly string[]): boolean {
    return (
      this.#isInLobby === joined.includes(LOBBY) &&
      [...this.#entries].every(([channel, { isActive }]) => !isActive || joined.includes(channel))
    )
  }

  /**
   * Takes an offset of a channel that has its own position. `undefined`: it has none; otherwise whether this is new.
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
   * The server has let the client in.
   *
   * @param joined Where it counts us in.
   * @param start What the connection begins with.
   * @param isGapless Whether the positions still count; otherwise everything begins at `start`.
   */
  welcomed(joined: readonly string[], start: Position, isGapless: boolean): void {
    this.#isInLobby = joined.includes(LOBBY)
    for (const [channel, entry] of this.#entries) {
      entry.isActive = entry.position === undefined && joined.includes(channel)
      if (!entry.isActive && (entry.position === undefined || !isGapless)) entry.position = start
    }
  }

  /** What is to be asked now. */
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
   * @param isActive Whether the server counts us in now. Default: as before, nothing was done for now.
   */
  answered(channel: string | undefined, isActive?: boolean): void {
    const entry = this.#entries.get(channel ?? '')
    if (!entry) return
    entry.request = undefined
    entry.isActive = isActive ?? entry.isActive
    // One that could not be left: nothing of it is to be asked for again if it is wanted again by now.
    if (entry.isActive) entry.position = undefined
  }

  /** The channel that this request is about. */
  channelOf(id: string | undefined): string | undefined {
    if (id !== undefined) for (const [channel, { request }] of this.#entries) if (request === id) return channel
    return undefined
  }

  /** The server won't let the client in there. */
  lost(channel: string): void {
    this.#entries.delete(channel)
  }

  /** The connection is gone. */
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
