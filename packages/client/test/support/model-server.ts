/**
 * The server of the client's model world: two instances that read one journal, each at its own pace, and that answer the
 * frames of connections. The world decides which frame is read or written next.
 */
import type { Handshake } from '../../src/effects.js'
import type { LinkState } from '../../src/link-state.js'
import type { ErrorMessage, ServerMessage } from '../../src/messages.js'

export const ME = 'me'
const HEARTBEAT_SECONDS = 25
/** The factor by which the number in an opaque cursor differs from the offset in the frame. */
const SCRAMBLE = 7919
/** The hint of a temporary rejection: the client may retry after this time. */
const RETRY_IN_MS = 700

/** The messages of the client that this world uses. */
export type ClientMessage =
  | { readonly type: 'message'; readonly id: string; readonly channel: string; readonly after?: string }
  | { readonly type: 'subscribe'; readonly id: string; readonly channels: readonly string[]; readonly since: string }
  | { readonly type: 'unsubscribe'; readonly id: string; readonly channels: readonly string[] }
  | { readonly type: 'ping' }

export interface Entry {
  readonly offset: number
  readonly from: string
  readonly channel: string
  readonly id: string
  /** The journal already has this message: the server delivers the entry to no subscriber. */
  readonly isRetry: boolean
}

export type Content = Pick<Entry, 'from' | 'channel' | 'id'>

/** A position in a journal. */
export interface Place {
  readonly epoch: string
  readonly offset: number
}

interface Replay {
  readonly channels: ReadonlySet<string>
  position: number
  readonly upTo: number
  readonly last: ServerMessage
}

/** A close frame: it ends the link when the client reads it. */
export interface Close {
  readonly type: 'close'
  readonly code: number
}

/** An instance of the server, which reads the journal at its own pace. */
export interface Instance {
  readonly node: string
  head: number
  isDraining: boolean
}

/** The server's side of a link. */
export interface Connection {
  readonly link: LinkState
  readonly instance: Instance
  readonly toServer: ClientMessage[]
  readonly toClient: (ServerMessage | Close)[]
  readonly given: ServerMessage[]
  readonly channels: Set<string>
  position: number
  readonly replays: Replay[]
  pongAt: number | undefined
  readonly refusedIds: Set<string>
  /** The instance's head when it accepted the client. */
  readonly headAtJoin: number
  /** Accepted messages on their way into the journal. They survive the connection. */
  readonly underWay: Content[]
  /** The server has sent the close frame: it accepts and sends nothing more on this connection. */
  isClosing: boolean
}

export class ModelServer {
  /** The server's cursors do not have the format `EPOCH:OFFSET`, and each frame with an offset carries a cursor. */
  readonly #isOpaque: boolean
  epoch = 'e1'
  journal: Entry[] = []
  /** The offset of the oldest retained entry. */
  first = 1
  /** The number of messages that the server refuses temporarily. */
  refusals = 0
  readonly instances: readonly [Instance, Instance] = [
    { node: 'n0', head: 0, isDraining: false },
    { node: 'n1', head: 0, isDraining: false },
  ]
  /** The position of the connection in the journal when the server received this request. */
  readonly positionOf = new Map<string, number>()

  constructor(isOpaque: boolean) {
    this.#isOpaque = isOpaque
  }

  /** The position that a cursor of this server stands for. */
  placeOf(cursor: string): Place {
    const [epoch = '', offset = ''] = cursor.split(/[:!]/)
    return { epoch, offset: this.#isOpaque ? parseInt(offset, 36) / SCRAMBLE : Number(offset) }
  }

  cursorAt(offset: number): string {
    return this.#isOpaque ? `${this.epoch}!${(offset * SCRAMBLE).toString(36)}` : `${this.epoch}:${offset}`
  }

  #at(offset: number): { readonly offset: number; readonly cursor?: string } {
    return this.#isOpaque ? { offset, cursor: this.cursorAt(offset) } : { offset }
  }

  /** Replaces the journal by an empty one with a new epoch. */
  replaceJournal(): void {
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`
    this.journal = []
    this.first = 1
    for (const instance of this.instances) instance.head = 0
  }

  /** Evicts every entry. */
  forget(): void {
    this.first = this.journal.length + 1
    for (const instance of this.instances) instance.head = this.journal.length
  }

  append(content: Content): void {
    const { from, id } = content
    const isRetry = this.journal.some((entry) => entry.from === from && entry.id === id && entry.offset >= this.first)
    this.journal.push({ ...content, isRetry, offset: this.journal.length + 1 })
  }

  /** The offset of this message of the client, if the journal retains it. */
  offsetOf(id: string): number | undefined {
    return this.journal.find((entry) => entry.from === ME && entry.id === id && entry.offset >= this.first)?.offset
  }

  /**
   * @param reception A close code rejects the client, 0 answers `recovered: false`, `undefined` decides as the server would.
   * @param older The client's other connections to this instance.
   */
  accept(
    link: LinkState,
    { cursor, channels }: Handshake,
    instance: Instance,
    reception: number | undefined,
    older: readonly Connection[],
  ): Connection {
    const { epoch, offset } = this.placeOf(cursor ?? '')
    const isHere = epoch === this.epoch && offset <= this.journal.length
    // An instance that has not read up to the cursor yet waits until it has.
    if (isHere) instance.head = Math.max(instance.head, offset)
    const isInReach = isHere && offset + 1 >= this.first && reception !== 0
    const position = isInReach ? offset : instance.head
    const joined = new Set(['lobby', ...channels])
    const connection: Connection = {
      link,
      instance,
      toServer: [],
      toClient: [],
      given: [],
      channels: joined,
      position,
      replays: [],
      pongAt: undefined,
      refusedIds: new Set(),
      headAtJoin: instance.head,
      underWay: [],
      isClosing: false,
    }
    if (reception || instance.isDraining) {
      connection.isClosing = true
      const code = reception || 1001
      // 1006 stands for an end without a close frame.
      if (code !== 1006) {
        const hint = code === 1001 ? {} : { retryInMs: RETRY_IN_MS }
        connection.toClient.push({ type: 'rejected', code, reason: '', ...hint })
      }
      connection.toClient.push({ type: 'close', code })
      return connection
    }
    // An instance serves one connection per client name: the new one takes over.
    for (const taken of older) {
      taken.isClosing = true
      taken.toClient.push({ type: 'close', code: 4001 })
    }
    connection.toClient.push({
      type: 'welcome',
      clientId: ME,
      session: 's',
      cursor: this.cursorAt(position),
      recovered: cursor === undefined ? null : isInReach,
      channels: [...joined],
      node: instance.node,
      build: 'b',
      heartbeatSeconds: HEARTBEAT_SECONDS,
    })
    return connection
  }

  serve(message: ClientMessage, connection: Connection): void {
    const { instance, position, toClient } = connection
    switch (message.type) {
      case 'ping':
        if (connection.isClosing) return
        connection.pongAt = instance.head
        if (position >= instance.head) this.#pong(connection)
        return
      case 'subscribe': {
        if (this.#refuse(message, connection)) return
        for (const channel of message.channels) connection.channels.add(channel)
        const { epoch, offset } = this.placeOf(message.since)
        const recovered = epoch === this.epoch && offset + 1 >= this.first && offset <= position
        this.positionOf.set(message.id, position)
        const { id, channels } = message
        const last = { type: 'subscribed', id, channels, recovered, cursor: this.cursorAt(position) } as const
        if (!recovered || offset === position) toClient.push(last)
        else {
          connection.replays.push({ channels: new Set(channels), position: offset, upTo: position, last })
        }
        return
      }
      case 'unsubscribe':
        if (this.#refuse(message, connection)) return
        for (const channel of message.channels) connection.channels.delete(channel)
        toClient.push({
          type: 'unsubscribed',
          id: message.id,
          channels: message.channels,
          recovered: null,
          cursor: this.cursorAt(position),
        })
        return
      case 'message': {
        const { id, channel } = message
        if (this.#refuse(message, connection)) return
        if (!connection.channels.has(channel)) {
          toClient.push({ type: 'error', code: 'not_subscribed', message: '', temporary: false, id })
          return
        }
        const offset = this.offsetOf(id)
        // The instance does not know entries that it has not read yet.
        if (offset === undefined || offset > instance.head) connection.underWay.push({ from: ME, channel, id })
        else if (position >= offset) toClient.push({ type: 'ack', id, ...this.#at(offset) })
      }
    }
  }

  /** Writes the next frame of this connection's stream. */
  write(connection: Connection): void {
    const { replays, toClient, instance, channels } = connection
    const replay = replays[0]
    if (replay) {
      if (replay.position < replay.upTo) this.#writeEntry(++replay.position, replay.channels, connection)
      else toClient.push((replays.shift() as Replay).last)
      return
    }
    if (connection.position < instance.head) this.#writeEntry(++connection.position, channels, connection)
    if (connection.pongAt !== undefined && connection.pongAt <= connection.position) {
      toClient.push({ type: 'pong', ...this.#at(connection.pongAt) })
      connection.pongAt = undefined
    }
  }

  /** Writes all due frames, then the close frame. */
  closePolitely(connection: Connection, code: number): void {
    while (hasToWrite(connection)) this.write(connection)
    connection.isClosing = true
    connection.toClient.push({ type: 'close', code })
  }

  #refuse(message: Exclude<ClientMessage, { type: 'ping' }>, connection: Connection): boolean {
    const { id } = message
    const { toClient } = connection
    const after = message.type === 'message' ? message.after : undefined
    const refusal: Omit<ErrorMessage, 'code'> = { type: 'error', message: '', temporary: true, id }
    if (connection.isClosing) return true
    if (after !== undefined && connection.refusedIds.has(after)) toClient.push({ ...refusal, code: 'out_of_order' })
    else if (this.refusals > 0) {
      this.refusals--
      toClient.push({ ...refusal, code: 'rate_limited', retryInMs: 300 })
    } else {
      connection.refusedIds.delete(id)
      return false
    }
    if (message.type === 'message') connection.refusedIds.add(id)
    return true
  }

  #pong(connection: Connection): void {
    connection.toClient.push({ type: 'pong', ...this.#at(connection.position) })
    connection.pongAt = undefined
  }

  #writeEntry(offset: number, channels: ReadonlySet<string>, { replays, toClient }: Connection): void {
    const { from, channel, id } = this.journal[offset - 1] as Entry
    const original = this.journal.find((entry) => entry.from === from && entry.id === id && !entry.isRetry) as Entry
    if (from === ME) {
      if (channels.has(channel) || replays.length === 0)
        toClient.push({ type: 'ack', id, ...this.#at(original.offset) })
    } else if (channels.has(channel)) {
      toClient.push({ type: 'message', channel, from, data: id, id, ...this.#at(offset), at: '' })
    }
  }
}

export const hasToWrite = ({ replays, position, instance, pongAt, isClosing }: Connection): boolean =>
  !isClosing && (replays.length > 0 || position < instance.head || pongAt !== undefined)

/** One of the items that fit. `which` is any number. */
export function pick<Item>(
  items: readonly Item[],
  which: number,
  fits: (item: Item) => boolean = () => true,
): Item | undefined {
  const fitting = items.filter(fits)
  return fitting[which % fitting.length]
}
