/**
 * What one client says, and what comes of it: read, limited, permitted, and handed to the hub; or answered with an error.
 */
import {
  CLOSE_CODES,
  isTemporary,
  parseClientMessage,
  TEXTS,
  type ClientMessage,
  type ErrorCode,
  type SubscribeMessage,
} from '@lastcall/protocol'
import type { Clock } from '../clock.js'
import type { Hub, Start } from '../hub/hub.js'
import type { Logger } from '../observability/log.js'
import type { Stats } from '../observability/stats.js'
import type { ConnectionManager } from './connection-manager.js'
import type { Connection } from './connection.js'
import { allowsChannel } from './identity.js'
import type { RateLimit } from './rate-limit.js'
import type { TransportListener } from './transport.js'

/** What all inboxes share. */
export interface Desk {
  readonly hub: Hub
  readonly connections: ConnectionManager
  readonly rateLimit: RateLimit
  readonly encodeFrame: (text: string) => Buffer
  /** The most channels one connection may be in, the lobby included. */
  readonly maxChannels: number
  readonly onClosed: (connection: Connection, code: number) => void
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

export interface ErrorDetails {
  readonly id?: string | undefined
  readonly retryInMs?: number | undefined
  /** For developers, in English; stands behind the text. */
  readonly detail?: string | undefined
}

/** So many wrong messages in a row end the connection. */
const MAX_WRONG_IN_A_ROW = 20

export class Inbox implements TransportListener {
  readonly #connection: Connection
  readonly #desk: Desk

  constructor(connection: Connection, desk: Desk) {
    this.#connection = connection
    this.#desk = desk
  }

  onText(text: string): void {
    const connection = this.#connection
    connection.isAlive = true
    connection.lastHeardAtMs = this.#desk.clock.monotonic()
    const message = parseClientMessage(text, connection.identity.strict)
    if (message.type === 'refusal') {
      this.#wrong(message.code, { id: message.id, detail: message.detail })
      return
    }
    connection.wrongInARow = 0
    if (connection.serverClose) {
      this.#refuse('shutting_down', { id: idOf(message) })
      return
    }
    if (message.type === 'ping') {
      this.#desk.hub.whenCaughtUp(connection, (offset) => this.#desk.encodeFrame(`{"type":"pong","offset":${offset}}`))
      return
    }
    if ('after' in message && message.after !== undefined && message.after === connection.refusedId) {
      this.#refuse('out_of_order', { id: message.id })
      return
    }
    const retryInMs = this.#desk.rateLimit.take(connection.bucket, connection.lastHeardAtMs)
    if (retryInMs > 0) {
      this.#desk.stats.rateLimited++
      this.#refuse('rate_limited', { id: idOf(message), retryInMs })
      return
    }
    this.#take(message)
  }

  #take(message: Exclude<ClientMessage, { type: 'ping' }>): void {
    const connection = this.#connection
    const { hub, log } = this.#desk
    if (message.id !== undefined && message.id === connection.refusedId) connection.refusedId = undefined
    switch (message.type) {
      case 'message': {
        const { channel, id, data } = message
        if (!allowsChannel(connection.identity.allowedChannels, channel)) return this.#refuse('forbidden', { id })
        if (!connection.audience?.channels.has(channel)) return this.#refuse('not_subscribed', { id })
        hub.publish(connection, { kind: 'message', channel, from: connection.clientId, ...(id && { id }), data })
        break
      }
      case 'direct': {
        const { to, id, data } = message
        hub.publish(connection, { kind: 'direct', to, from: connection.clientId, ...(id && { id }), data })
        break
      }
      case 'subscribe':
        return this.#subscribe(message)
      case 'unsubscribe': {
        const left = message.channels.filter((channel) => connection.audience?.channels.has(channel))
        const start = hub.unsubscribe(connection, message.channels)
        connection.send(this.#answer('unsubscribed', message, start))
        hub.announceLeave(connection.clientId, left)
        return
      }
    }
    if (log.enabled('debug')) {
      log.debug('message', { clientId: connection.clientId, characters: message.data.length }, 'a message was taken')
    }
  }

  #subscribe(message: Extract<ClientMessage, { type: 'subscribe' }>): void {
    const { channels, since, id } = message
    const connection = this.#connection
    const { hub, maxChannels } = this.#desk
    if (!channels.every((channel) => allowsChannel(connection.identity.allowedChannels, channel))) {
      return this.#refuse('forbidden', { id })
    }
    const joined = channels.filter((channel) => !connection.audience?.channels.has(channel))
    if ((connection.audience?.channels.size ?? 0) + joined.length > maxChannels) {
      return this.#refuse('forbidden', { id, detail: `at most ${String(maxChannels)} channels` })
    }
    hub.subscribe(connection, channels, since, (start) => this.#answer('subscribed', message, start))
    hub.announceJoin(connection.clientId, joined)
  }

  #answer(
    type: 'subscribed' | 'unsubscribed',
    { channels, id }: Pick<SubscribeMessage, 'channels' | 'id'>,
    start: Start,
  ): Buffer {
    return this.#desk.encodeFrame(JSON.stringify({ type, id, channels, ...start }))
  }

  #wrong(code: ErrorCode, details: ErrorDetails): void {
    const connection = this.#connection
    this.#refuse(code, details)
    if (++connection.wrongInARow < MAX_WRONG_IN_A_ROW) return
    this.#desk.connections.closePolitely(connection, {
      why: 'abuse',
      code: CLOSE_CODES.policy,
      reason: 'tooManyBadMessages',
    })
  }

  #refuse(code: ErrorCode, details: ErrorDetails): void {
    refuse(this.#connection, this.#desk.encodeFrame, code, details)
  }

  onBinary(): void {
    this.#connection.close('abuse', CLOSE_CODES.unsupported, 'binaryFrame')
  }

  onAlive(): void {
    this.#connection.isAlive = true
  }

  onDrain(): void {
    this.#desk.hub.drained(this.#connection)
  }

  onClosed(code: number): void {
    this.#desk.onClosed(this.#connection, code)
  }
}

const idOf = (message: ClientMessage): string | undefined => ('id' in message ? message.id : undefined)

/** Tells a connection that its message was not taken, and why. What is to come after that message isn't taken either. */
export function refuse(
  connection: Connection,
  encodeFrame: (text: string) => Buffer,
  code: ErrorCode,
  { id, retryInMs, detail }: ErrorDetails,
): void {
  const temporary = isTemporary(code)
  if (temporary && id !== undefined) connection.refusedId = id
  const text = TEXTS[connection.locale].errors[code]
  const message = detail === undefined ? text : `${text} (${detail})`
  connection.send(encodeFrame(JSON.stringify({ type: 'error', code, message, temporary, id, retryInMs })))
}
