/**
 * Handles the messages of one client: parses them, charges budgets, checks permissions, and passes them to the hub or
 * answers with an error.
 */
import {
  isTemporary,
  parseClientMessage,
  TEXTS,
  type ClientMessage,
  type ErrorCode,
  type SubscribeMessage,
} from '@lastcall/protocol'
import type { Clock } from '../clock.js'
import type { Hub } from '../hub/hub.js'
import type { Start } from '../hub/subscriptions.js'
import { invariant } from '../invariant.js'
import type { Logger } from '../observability/log.js'
import type { Stats } from '../observability/stats.js'
import { CLOSES, type Close } from '../connections/closes.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import type { HookCalls, MessageDecision } from './hook-calls.js'
import { allowsChannel } from './channel-patterns.js'
import type { ClusterState } from '../instances/cluster-state.js'
import type { InstanceAnnouncer } from '../instances/instance-announcer.js'
import { withPresence } from '../presence/snapshot.js'
import type { ClientBudgets } from './client-budgets.js'
import { Intake } from './intake.js'
import { LimitRefusals, type LimitedKind } from './limit-refusals.js'
import { sessionOf, type SessionState } from './session-state.js'
import type { TransportListener } from '../connections/transport.js'

/** What all message handlers share. */
export interface MessageHandlerContext {
  readonly hub: Hub
  readonly cluster: Pick<ClusterState, 'clientsElsewhere' | 'snapshotFor'>
  readonly announcer: Pick<InstanceAnnouncer, 'admitted' | 'ended' | 'joined' | 'left'>
  readonly connections: ConnectionManager
  readonly budgets: ClientBudgets
  readonly encodeFrame: (text: string) => Buffer
  /** The greatest number of channels of one connection, including the lobby. */
  readonly maxChannels: number
  readonly hookCalls: HookCalls
  readonly onClosed: (connection: Connection, code: number) => void
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

export interface ErrorDetails {
  readonly id?: string | undefined
  readonly retryInMs?: number | undefined
  /** The number of messages without an id that this error answers, if it is more than one. */
  readonly count?: number | undefined
  /** The refused message is a `subscribe` or `unsubscribe`. No `after` of a later message can name it. */
  readonly isRequest?: boolean | undefined
  /** An English text for developers. The server adds it to the message of the error. */
  readonly detail?: string | undefined
}

type PublishRequest = Extract<ClientMessage, { type: 'message' | 'direct' }>

/** The server closes a connection after this many invalid messages in a row. */
const MAX_WRONG_IN_A_ROW = 20

/**
 * The longest pause after refused requests. The budget of channels may take a minute to refill, but a client can still
 * send messages.
 */
const MAX_REQUEST_PAUSE_MS = 1000

export class MessageHandler implements TransportListener {
  readonly #connection: Connection
  readonly #session: SessionState
  readonly #context: MessageHandlerContext
  /** Created at its first use, because most connections never have to wait. */
  #intake: Intake | undefined
  #limitRefusals: LimitRefusals | undefined

  constructor(connection: Connection, context: MessageHandlerContext) {
    this.#connection = connection
    const session = sessionOf(connection)
    invariant(session, 'a connection has a session before the server reads from it')
    this.#session = session
    this.#context = context
  }

  get #channels(): ReadonlySet<string> | undefined {
    return this.#context.hub.subscriptions.channelsOf(this.#connection)
  }

  /**
   * The journal was replaced, and the connection waits for its close. The client would misread an answer with an offset
   * of the new journal.
   */
  get #isOutdated(): boolean {
    return this.#connection.transport.isOpen && this.#channels === undefined
  }

  onText(text: string): void {
    if (this.#intake?.isHeld) this.#intake.add(text)
    else this.#read(text)
  }

  onExtraFrames(count: number): void {
    this.#connection.isAlive = true
    this.#chargeFrames(count)
  }

  /**
   * Charges for frames without an accepted message. The server stops reading from a client whose budget of frames is
   * used up.
   */
  #chargeFrames(count: number): void {
    const waitMs = this.#session.budget.debitFrames(count, this.#context.clock.monotonic())
    if (waitMs > 0) this.#held().holdFor(waitMs)
  }

  #held(): Intake {
    return (this.#intake ??= new Intake({
      transport: this.#connection.transport,
      read: (text) => this.#read(text),
      clock: this.#context.clock,
    }))
  }

  #read(text: string): void {
    const connection = this.#connection
    connection.isAlive = true
    connection.lastHeardAtMs = this.#context.clock.monotonic()
    const message = parseClientMessage(text, connection.identity.strict)
    if (message.type === 'refusal') {
      this.#wrong(message.code, { id: message.id, detail: message.detail })
      return
    }
    this.#session.wrongInARow = 0
    if (connection.serverClose || this.#isOutdated) {
      this.#chargeFrames(1)
      this.#refuse('shutting_down', { id: idOf(message) })
      return
    }
    if (message.type === 'ping') {
      this.#chargeFrames(1)
      this.#context.hub.delivery.onceCaughtUp(connection, (offset) =>
        this.#context.encodeFrame(`{"type":"pong","offset":${offset}}`),
      )
      return
    }
    if ('after' in message && message.after !== undefined && this.#session.hasRefused(message.after)) {
      this.#chargeFrames(1)
      this.#refuse('out_of_order', { id: message.id })
      return
    }
    const waitMs = this.#limitOf(message, connection.lastHeardAtMs)
    if (waitMs > 0) {
      this.#overLimit(message, waitMs)
      return
    }
    this.#limitRefusals?.taken(limitedKind(message))
    this.#take(message)
  }

  /** Charges for a message. Returns 0 if the message may pass, and otherwise the milliseconds after which it may. */
  #limitOf(message: Exclude<ClientMessage, { type: 'ping' }>, nowMs: number): number {
    const { budget } = this.#session
    if (message.type !== 'subscribe') return budget.takeMessage(nowMs)
    const replayBytes = this.#context.hub.subscriptions.bytesToReplay(message.since)
    return budget.takeRequest({ channels: message.channels.length, replayBytes }, nowMs)
  }

  #overLimit(message: Exclude<ClientMessage, { type: 'ping' }>, retryInMs: number): void {
    const { clock, stats } = this.#context
    const isRequest = !('after' in message)
    stats.rateLimited++
    this.#chargeFrames(1)
    const refusals = (this.#limitRefusals ??= new LimitRefusals({
      answer: (count, waitMs) =>
        this.#refuse('rate_limited', { retryInMs: waitMs, count: count > 1 ? count : undefined }),
      clock,
    }))
    if (message.id === undefined) refusals.answer(retryInMs)
    else this.#refuse('rate_limited', { id: message.id, retryInMs, isRequest })
    if (refusals.refused(limitedKind(message))) {
      this.#held().holdFor(message.type === 'subscribe' ? Math.min(retryInMs, MAX_REQUEST_PAUSE_MS) : retryInMs)
    }
  }

  #take(message: Exclude<ClientMessage, { type: 'ping' }>): void {
    const connection = this.#connection
    const { hub, announcer } = this.#context
    if (message.id !== undefined) this.#session.taken(message.id)
    switch (message.type) {
      case 'message': {
        const { channel, id } = message
        if (!allowsChannel(connection.identity.allowedChannels, channel)) return this.#refuse('forbidden', { id })
        if (!this.#channels?.has(channel)) return this.#refuse('not_subscribed', { id })
        return this.#askAndPublish(message)
      }
      case 'direct':
        return this.#askAndPublish(message)
      case 'subscribe':
        return this.#subscribe(message)
      case 'unsubscribe': {
        const left = message.channels.filter((channel) => this.#channels?.has(channel))
        const start = hub.subscriptions.unsubscribe(connection, message.channels)
        connection.send(this.#answer('unsubscribed', message, start))
        announcer.left(connection.clientId, left)
        return
      }
    }
  }

  /** Calls the application's `onMessage`, if there is one, and publishes the message by its decision. */
  #askAndPublish(message: PublishRequest): void {
    const { hookCalls } = this.#context
    if (!hookCalls.hasOnMessage) return this.#publish(message, message.data)
    const { clientId } = this.#connection
    const about = message.type === 'message' ? { channel: message.channel } : { to: message.to }
    const decision = hookCalls.onMessage({ clientId, id: message.id, data: JSON.parse(message.data), ...about })
    if (decision instanceof Promise) this.#wait(message, decision)
    else this.#carryOut(message, decision)
  }

  #carryOut(message: PublishRequest, decision: MessageDecision): void {
    switch (decision.kind) {
      case 'asIs':
        return this.#publish(message, message.data)
      case 'replace':
        return this.#publish(message, decision.data)
      case 'refuse':
        return this.#refuse('forbidden', { id: message.id, detail: decision.detail })
      case 'failed':
        return this.#refuse('internal', { id: message.id })
    }
  }

  /** @param decision It never rejects. */
  #wait(message: PublishRequest, decision: Promise<MessageDecision>): void {
    this.#held().hold('hook')
    void decision.then((settled) => {
      this.#carryOut(message, settled)
      this.#held().release('hook')
    })
  }

  #publish(message: PublishRequest, data: string): void {
    // The journal may have been replaced while the hook decided.
    if (this.#isOutdated) return this.#refuse('shutting_down', { id: message.id })
    const { clientId } = this.#connection
    const content = { from: clientId, ...(message.id !== undefined && { id: message.id }), data }
    const { hub, log } = this.#context
    if (message.type === 'message')
      hub.publishing.publish(this.#connection, { kind: 'message', channel: message.channel, ...content })
    else hub.publishing.publish(this.#connection, { kind: 'direct', to: message.to, ...content })
    if (log.enabled('debug')) log.debug('message', { clientId, characters: data.length }, 'a message was accepted')
  }

  #subscribe(message: Extract<ClientMessage, { type: 'subscribe' }>): void {
    const { channels, since, id } = message
    const connection = this.#connection
    const { hub, cluster, announcer, maxChannels } = this.#context
    if (!channels.every((channel) => allowsChannel(connection.identity.allowedChannels, channel))) {
      return this.#refuse('forbidden', { id })
    }
    const joined = channels.filter((channel) => !this.#channels?.has(channel))
    if ((this.#channels?.size ?? 0) + joined.length > maxChannels) {
      return this.#refuse('forbidden', { id, detail: `at most ${String(maxChannels)} channels` })
    }
    const snapshot = cluster.snapshotFor(connection.clientId, channels)
    hub.subscriptions.subscribe(connection, channels, since, (start) =>
      this.#answer('subscribed', message, start, snapshot),
    )
    announcer.joined(connection.clientId, joined)
  }

  #answer(
    type: 'subscribed' | 'unsubscribed',
    { channels, id }: Pick<SubscribeMessage, 'channels' | 'id'>,
    start: Start,
    snapshot?: string,
  ): Buffer {
    return this.#context.encodeFrame(withPresence(JSON.stringify({ type, id, channels, ...start }), snapshot))
  }

  #wrong(code: ErrorCode, details: ErrorDetails): void {
    const connection = this.#connection
    this.#chargeFrames(1)
    this.#refuse(code, details)
    if (++this.#session.wrongInARow < MAX_WRONG_IN_A_ROW) return
    this.#logAbuse(CLOSES.tooManyBadMessages)
    this.#context.connections.closePolitely(connection, CLOSES.tooManyBadMessages)
  }

  #refuse(code: ErrorCode, details: ErrorDetails): void {
    refuse(this.#connection, this.#context.encodeFrame, code, details)
  }

  #logAbuse({ code, reason }: Close): void {
    const { clientId, address } = this.#connection.identity
    this.#context.log.warn(
      'abuse',
      { clientId, address, code, reason },
      'the server closes a connection because of invalid or abusive messages',
    )
  }

  onBinary(): void {
    this.#logAbuse(CLOSES.binaryFrame)
    this.#connection.close(CLOSES.binaryFrame)
  }

  onAlive(): void {
    this.#connection.isAlive = true
  }

  onDrain(): void {
    this.#context.hub.delivery.drained(this.#connection)
  }

  onClosing(): void {
    this.#context.hub.delivery.stopDelivery(this.#connection)
  }

  onClosed(code: number): void {
    this.#intake?.end()
    this.#limitRefusals?.end()
    this.#context.onClosed(this.#connection, code)
  }
}

const limitedKind = ({ type }: ClientMessage): LimitedKind => (type === 'subscribe' ? 'subscribe' : 'other')

const idOf = (message: ClientMessage): string | undefined => ('id' in message ? message.id : undefined)

/**
 * Sends an error for a message that the server did not take. The server then also refuses messages whose `after` names
 * it.
 */
export function refuse(
  connection: Connection,
  encodeFrame: (text: string) => Buffer,
  code: ErrorCode,
  { id, retryInMs, count, isRequest, detail }: ErrorDetails,
): void {
  const temporary = isTemporary(code)
  if (temporary && !isRequest && id !== undefined) sessionOf(connection)?.refused(id)
  const text = TEXTS[connection.locale].errors[code]
  const message = detail === undefined ? text : `${text} (${detail})`
  connection.send(encodeFrame(JSON.stringify({ type: 'error', code, message, temporary, id, retryInMs, count })))
}
