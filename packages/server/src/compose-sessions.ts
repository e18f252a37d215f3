/**
 * The composition of everything between a handshake and a client's messages: admission, authentication, the
 * application's hooks, the session.
 */
import type { Clock } from './clock.js'
import { originMatcher } from './config/origins.js'
import { isRemote } from './config/cross-checks.js'
import type { Config } from './config/schema.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import type { ConnectionListener } from './connections/front.js'
import type { EncodeFrame } from './frames.js'
import type { Hub } from './hub/hub.js'
import type { ClusterState } from './instances/cluster-state.js'
import type { InstanceAnnouncer } from './instances/instance-announcer.js'
import { lazily } from './lazily.js'
import type { Logger } from './observability/log.js'
import { countIn, type Stats } from './observability/stats.js'
import type { Randomness } from './randomness.js'
import { Admission } from './sessions/admission.js'
import { ClientBudgets } from './sessions/client-budgets.js'
import { HandshakeHandler } from './sessions/handshake-handler.js'
import { HookCalls } from './sessions/hook-calls.js'
import type { Hooks } from './sessions/hooks.js'
import { LateAnswers } from './sessions/late-answers.js'
import { refuse } from './sessions/message-handler.js'
import type { PendingHandshakes } from './sessions/pending-handshakes.js'
import type { RemoteKeysContext, RemoteKeysObserver } from './sessions/remote-keys.js'
import { SessionSetup } from './sessions/session-setup.js'
import { Sessions } from './sessions/signed-sessions.js'
import type { TokenVerifier } from './sessions/token-verifier.js'
import type { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'
import { SlicedTasks } from './sliced-tasks.js'

export interface SessionsComposition {
  readonly connections: ConnectionManager
  readonly hub: Hub
  readonly cluster: ClusterState
  readonly announcer: InstanceAnnouncer
  readonly hooks: Hooks
  /** The id of this instance. */
  readonly node: string
  /** The secret that signs sessions. `undefined`: the server makes a random one, so that sessions end with this process. */
  readonly sessionSecret: string | undefined
  readonly pendingHandshakes: PendingHandshakes
  /** Verifies tokens in place of what the configuration names. Default: `undefined`. */
  readonly verifyToken?: TokenVerifier | undefined
  /** While `isClosedToNewcomers`, the server rejects new clients. */
  readonly shutdown: Pick<GracefulShutdownManager, 'isClosedToNewcomers' | 'observe'>
  /** The number of clients that the file descriptors allow. It limits the clients if MAX_CONNECTIONS is greater. */
  readonly lastingConnections: number
  readonly encodeFrame: EncodeFrame
  readonly clock: Clock
  readonly randomness: Randomness
  readonly stats: Stats
  readonly log: Logger
}

export interface ComposedSessions {
  readonly handle: ConnectionListener
  /** Whether any client may connect under any free name. */
  readonly isOpen: boolean
  /** Verifies the tokens of new clients with other keys. */
  renewKeys(config: Config): void
  /** Drops idle budgets. The caller calls it about every second. */
  sweep(): void
  /** Destroys the connections of rejected clients that still exist. */
  dispose(): void
}

/** The length of a session secret that the server makes. */
const SECRET_BYTES = 32

/** The greatest number of channels of one connection, including the lobby. */
const MAX_CHANNELS = 100

/**
 * How long handshakes may occupy the event loop without a pause, in milliseconds. After an outage of the network,
 * thousands of clients reconnect within one turn, and connected clients must not wait for all of them.
 */
const HANDSHAKES_STRETCH_MS = 4

/**
 * The same for handshakes whose checks have ended. The checks of reconnecting clients with a cursor or a token end at
 * about the same time.
 */
const DECISIONS_STRETCH_MS = 4

/** How long a handshake waits until this instance has read the entries up to the client's cursor. */
const MAX_WAIT_FOR_CURSOR_MS = 1000

/**
 * The same for a journal on another machine whose connection may have failed silently. The journal notices that within this
 * time (RabbitMQ: 6 s, three missed heartbeats), so the server rejects the client instead of reporting a loss to it.
 */
const MAX_WAIT_FOR_REMOTE_CURSOR_MS = 7000

export function composeSessions(config: Config, parts: SessionsComposition): ComposedSessions {
  const { connections, hub, cluster, announcer, shutdown, hooks, node, encodeFrame, clock, randomness, stats, log } =
    parts
  const { pendingHandshakes: pending, sessionSecret, lastingConnections } = parts
  const keysContext = { clock, observer: keysObserver(stats, log) }
  const admission = new Admission({
    connections,
    sessions: new Sessions(sessionSecret ?? randomness.bytes(SECRET_BYTES)),
    verifyToken: parts.verifyToken ?? tokenVerifier(config, keysContext),
    allowsOrigin: config.allowedOrigins && originMatcher(config.allowedOrigins),
    maxConnections: withinDescriptors(config.maxConnections, lastingConnections, log),
    pending,
    maxChannels: MAX_CHANNELS,
    locale: config.locale,
    build: config.build,
    instances: cluster.instances,
    holderElsewhere: (clientId) => cluster.holderElsewhere(clientId) ?? cluster.reservationOf(clientId),
    waitForRelease: (clientId, maxWaitMs) => cluster.waitForRelease(clientId, maxWaitMs),
    isClosed: () => shutdown.isClosedToNewcomers,
    clock,
    randomness,
  })
  const hookCalls = new HookCalls({ hooks, clock, stats, log })
  const budgets = new ClientBudgets({
    messagesPerMinute: config.maxMessagesPerMinute,
    channelsPerMinute: config.maxChannelsPerMinute,
    replayBytesPerMinute: config.maxReplayPerMinuteBytes ?? defaultReplayBytes(config),
  })
  const sessionSetup = new SessionSetup({
    hub,
    cluster,
    announcer,
    connections,
    budgets,
    encodeFrame,
    maxChannels: MAX_CHANNELS,
    hookCalls,
    node,
    build: config.build,
    heartbeatIntervalSeconds: config.heartbeatIntervalSeconds,
    clock,
    stats,
    log,
  })
  const { rejectWith, logAddresses } = config
  const lateAnswers = new LateAnswers(clock)
  shutdown.observe((state) => {
    if (state === 'closing' || state === 'closed') lateAnswers.giveAll()
  })
  const handler = new HandshakeHandler({
    admission,
    pending,
    decisions: new SlicedTasks({ clock, stretchMs: DECISIONS_STRETCH_MS }),
    sessionSetup,
    feed: hub.feed,
    maxWaitForCursorMs: isRemote(config) ? MAX_WAIT_FOR_REMOTE_CURSOR_MS : MAX_WAIT_FOR_CURSOR_MS,
    hookCalls,
    lateAnswers,
    rejectWith,
    encodeFrame,
    logAddresses,
    stats,
    log,
  })
  hub.publishing.observe({
    onFailed(author, id, error) {
      const code = error.code === 'entry_too_large' ? 'too_large' : 'journal_unavailable'
      refuse(author, encodeFrame, code, { id })
    },
  })
  return {
    handle: inSlices(handler, clock),
    isOpen: !admission.asksForToken && !hookCalls.hasOnConnect,
    renewKeys: (renewed) => admission.renewVerifier(tokenVerifier(renewed, keysContext)),
    sweep: () => budgets.sweep(clock.monotonic()),
    dispose: () => handler.dispose(),
  }
}

/** The verifier for the configured keys. `undefined`: the server asks for no token. */
function tokenVerifier(config: Config, context: RemoteKeysContext): TokenVerifier | undefined {
  const { authSecret, authPublicKey, authJwksUrl } = config
  if ((authSecret ?? authPublicKey ?? authJwksUrl) === undefined) return undefined
  const verifier = lazily(async () => {
    const { createTokenVerifier } = await import('./sessions/token-verifier.js')
    return createTokenVerifier(config, context)
  })
  return async (token) => (await verifier())?.(token)
}

function inSlices(handler: HandshakeHandler, clock: Clock): ConnectionListener {
  const handshakes = new SlicedTasks({ clock, stretchMs: HANDSHAKES_STRETCH_MS })
  return (handshake, reply, path) => {
    handshakes.add(() => {
      handler.handle(handshake, reply, path)
      return false
    })
  }
}

/** Logs one line when the keys become unavailable and one when they return, however long the outage of the issuer lasts. */
function keysObserver(stats: Stats, log: Logger): RemoteKeysObserver {
  return {
    onFailed(error, isFirst) {
      countIn(stats.dependencyFailures, 'jwks')
      if (!isFirst) return
      log.error(
        'keys.unavailable',
        { error },
        'the server cannot fetch the keys of AUTH_JWKS_URL; the keys that it fetched before stay in use',
      )
    },
    onRecovered: () => log.info('keys.available', 'the server has fetched the keys of AUTH_JWKS_URL again'),
  }
}

/**
 * The greatest number of clients that both MAX_CONNECTIONS (0: no limit) and the file descriptors (`Infinity`: no
 * limit) allow.
 */
function withinDescriptors(maxConnections: number, lasting: number, log: Logger): number {
  if (lasting === Infinity || (maxConnections > 0 && maxConnections <= lasting)) return maxConnections
  const text = `the file descriptors allow ${String(lasting)} clients, not MAX_CONNECTIONS: raise ulimit -n`
  log.warn('config', { maxConnections, lasting }, text)
  return lasting
}

/**
 * The burst of the replay budget: enough for a client that loses its connection in the middle of the longest replay and starts
 * again.
 */
const defaultReplayBytes = ({ historyBytes }: Config): number => Math.max(2 * historyBytes, 16 * 1024 ** 2)
