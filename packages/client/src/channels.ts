/**
 * The channels the application wants, and how far the server has been asked for them. A channel that was asked for while
 * the client was somewhere in the journal has a position of its own until the server has replayed what came since.
 */
import { LOBBY, type SubscribedMessage } from './messages.js'

interface Entry {
  isWanted: boolean
  /** The server counts us in. */
  isActive: boolean
  /** Heard up to this offset, where that is not the client's own position: `subscribed` has not come yet. */
  position: number | undefined
  /** The request that is not answered. */
  request: string | undefined
  /** Was refused together with others: whose fault was it? */
  isAlone: boolean
}

/** What to ask of the server. */
export interface Request {
  readonly type: 'subscribe' | 'unsubscribe'
  readonly id: string
  readonly channels: string[]
  /** For `subscribe`: replay from here. */
  readonly position: number | undefined
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
  want(channel: string, position: number | undefined): void {
    const entry = this.#entries.get(channel)
    if (!entry) {
      const isActive = channel === LOBBY && this.#isInLobby
      if (isActive) position = undefined
      this.#entries.set(channel, { isWanted: true, isActive, position, request: undefined, isAlone: false })
    } else if (!entry.isWanted) {
      entry.isWanted = true
      // If its unsubscribe is on the way, it will have to be asked for again.
      if (entry.position !== undefined || (entry.isActive && entry.request !== undefined)) entry.position = position
    }
  }

  unwant(channel: string): void {
    const entry = this.#entries.get(channel)
    if (entry) entry.isWanted = false
  }

  /** Whether what is said there concerns the application. */
  hears(channel: string): boolean {
    return channel === LOBBY || this.#entries.get(channel)?.isWanted === true
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

  /**
   * Takes an offset of a channel that has its own position. `undefined`: it has none; otherwise whether this is new.
   */
  advance(channel: string, offset: number): boolean | undefined {
    const entry = this.#entries.get(channel)
    if (entry?.position === undefined) return undefined
    if (offset <= entry.position) return false
    entry.position = offset
    return true
  }

  /**
   * The server has let the client in.
   *
   * @param joined Where it counts us in.
   * @param start What the connection begins with.
   * @param isGapless Whether the positions still count; otherwise everything begins at `start`.
   */
  welcomed(joined: readonly string[], start: number, isGapless: boolean): void {
    this.#isInLobby = joined.includes(LOBBY)
    for (const [channel, entry] of this.#entries) {
      entry.isActive = entry.position === undefined && joined.includes(channel)
      if (!entry.isActive && (entry.position === undefined || !isGapless)) entry.position = start
    }
  }

  /** What is to be asked now. */
  requests(newId: () => string): Request[] {
    const requests: Request[] = []
    const together = new Map<number | undefined, Request>()
    for (const [channel, entry] of this.#entries) {
      const { isActive, position, isAlone } = entry
      const isDue = this.#isDue(channel, entry)
      if (entry.request !== undefined) continue
      if (isDue === isActive) {
        if (!isDue) this.#entries.delete(channel)
        continue
      }
      let request = isActive || isAlone ? undefined : together.get(position)
      if (!request) {
        request = { type: isActive ? 'unsubscribe' : 'subscribe', id: newId(), channels: [], position }
        requests.push(request)
        if (!isActive && !isAlone) together.set(position, request)
      }
      request.channels.push(channel)
      entry.request = request.id
    }
    return requests
  }

  /** The answer to a request. */
  answered({ type, id }: SubscribedMessage): void {
    for (const [, entry] of this.#of(id)) {
      entry.request = undefined
      entry.isActive = type === 'subscribed'
      if (entry.isActive) entry.position = undefined
    }
  }

  /** Whether this id is one of its requests. */
  has(id: string): boolean {
    return this.#of(id).length > 0
  }

  /** The server did not do it for now. */
  postponed(id: string): void {
    for (const [, entry] of this.#of(id)) entry.request = undefined
  }

  /** The server won't do it. Answers with the channel that is lost by that; several are asked for one by one first. */
  refused(id: string): string | undefined {
    const [first, ...others] = this.#of(id)
    this.postponed(id)
    for (const [, entry] of others.concat(first ? [first] : [])) entry.isAlone = true
    if (!first || others.length > 0) return undefined
    this.#entries.delete(first[0])
    return first[0]
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

  #of(id: string | undefined): [string, Entry][] {
    return id === undefined ? [] : [...this.#entries].filter(([, { request }]) => request === id)
  }
}
