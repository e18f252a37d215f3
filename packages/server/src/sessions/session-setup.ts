/** Begins and ends the session of a client: the takeover, the welcome, and the announcement to the other instances. */
import { LOBBY, TEXTS, type WelcomeMessage } from '@lastcall/protocol'
import type { Admitted } from './admission.js'
import type { Connection } from '../connections/connection.js'
import { MessageHandler, type MessageHandlerContext } from './message-handler.js'
import type { IncomingTransport } from '../connections/transport.js'
import { withPresence } from '../presence/snapshot.js'
import { SessionState, sessionOf } from './session-state.js'

export interface SessionSetupOptions extends Omit<MessageHandlerContext, 'onClosed'> {
  /** The id of this instance. */
  readonly node: string
  readonly build: string
  readonly heartbeatIntervalSeconds: number
}

export class SessionSetup {
  readonly #options: SessionSetupOptions
  readonly #context: MessageHandlerContext

  constructor(options: SessionSetupOptions) {
    this.#options = options
    this.#context = { ...options, onClosed: (connection, code) => options.connections.disconnect(connection, code) }
    // The registry reports the end and not the socket, because a failed write may discover the end before the socket
    // does.
    options.connections.observe({ onDisconnect: (connection, code) => this.#gone(connection, code) })
  }

  /**
   * Takes the channels and the history that this handshake asks for from the client's budgets.
   *
   * @returns 0, or the milliseconds after which the client may try again.
   */
  charge({ clientId, channels, cursor }: Admitted): number {
    const { connections, hub, budgets, clock } = this.#options
    const replayBytes = hub.subscriptions.bytesToReplay(cursor)
    const asked = channels.filter((channel) => channel !== LOBBY).length
    if (asked === 0 && replayBytes === 0) return 0
    const now = clock.monotonic()
    const present = connections.get(clientId)
    const ofPresent = present && sessionOf(present)?.budget
    const budget = ofPresent ?? budgets.open(clientId)
    const waitMs = budget.takeHandshake({ channels: asked, replayBytes }, now)
    if (!ofPresent) budgets.keep(clientId, budget, now)
    return waitMs
  }

  /**
   * Begins the session of a client that was admitted in this same turn of the event loop.
   *
   * @param address The client's address for the log; `undefined` if addresses are not logged.
   */
  welcome(transport: IncomingTransport, admitted: Admitted, address?: string): void {
    const { connections, hub, cluster, announcer, budgets, clock, log } = this.#options
    const { clientId, channels, cursor } = admitted

    if (!admitted.isTakeover) connections.release(clientId)
    const before = connections.get(clientId)
    const channelsBefore = before && hub.subscriptions.channelsOf(before)
    if (before) {
      hub.subscriptions.leave(before)
      budgets.keep(clientId, sessionOf(before)?.budget, clock.monotonic())
      log.info('takeover', { clientId, address }, 'a newer connection of the same client takes over')
    }
    const connection = connections.connect(transport, {
      clientId,
      connectionId: admitted.connectionId,
      session: admitted.session,
      hasToken: admitted.hasToken,
      isMoving: admitted.isMoving,
      admittedAt: hub.feed.window.head,
      locale: admitted.locale,
      strict: transport.isStrict,
      expiresAtMs: admitted.expiresAtMs,
      allowedChannels: admitted.allowedChannels,
      address,
    })
    connection.session = new SessionState(budgets.open(clientId))
    transport.listener = new MessageHandler(connection, this.#context)

    const start = hub.subscriptions.join(connection, channels, cursor)
    const welcome = JSON.stringify(this.#welcomeMessage(connection, channels, start))
    const snapshot = cluster.snapshotFor(clientId, channels)
    connection.send(this.#options.encodeFrame(withPresence(welcome, snapshot)))

    // After a takeover only the difference is announced, because the client did not leave.
    if (channelsBefore) {
      announcer.left(
        clientId,
        [...channelsBefore].filter((channel) => !channels.includes(channel)),
      )
    }
    const newChannels = channelsBefore ? channels.filter((channel) => !channelsBefore.has(channel)) : channels
    announcer.admitted(connection.identity, newChannels)
    log.info('connect', { clientId, address, totalConnections: connections.getActiveCount() }, 'a client was accepted')
  }

  #welcomeMessage(
    { identity, locale }: Connection,
    channels: readonly string[],
    { cursor, recovered }: { cursor: string; recovered: boolean | null },
  ): WelcomeMessage {
    const { clientId, connectionId, session } = identity
    const { node, build, heartbeatIntervalSeconds, connections, cluster } = this.#options
    const active = connections.getActiveCount() + cluster.clientsElsewhere
    const text = TEXTS[locale].welcome(clientId, active)
    return {
      type: 'welcome',
      clientId,
      connectionId,
      session,
      cursor,
      recovered,
      channels,
      node,
      build,
      active,
      heartbeatSeconds: heartbeatIntervalSeconds,
      text,
    }
  }

  #gone(connection: Connection, code: number): void {
    const { connections, hub, announcer, budgets, hookCalls, clock, log } = this.#options
    const { clientId } = connection
    const channels = hub.subscriptions.channelsOf(connection)
    hub.subscriptions.leave(connection)
    budgets.keep(clientId, sessionOf(connection)?.budget, clock.monotonic())
    if (channels) announcer.ended(connection.identity, channels)
    hookCalls.onDisconnect({ clientId, code })
    const { address } = connection.identity
    log.info(
      'disconnect',
      { clientId, code, address, totalConnections: connections.getActiveCount() },
      'a connection ended',
    )
  }
}
