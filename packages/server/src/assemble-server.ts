/** The composition root: assembles a server from its parts. Each part knows the others only through its options. */
import { systemClock, type Clock } from './clock.js'
import { createBackend, type BackendMethods } from './backend/backend.js'
import { History } from './backend/history.js'
import { ClosingSteps } from './closing-steps.js'
import { composeDelivery, type ComposedDelivery } from './compose-delivery.js'
import { composeHttp, tlsFilesOf, type ComposedHttp, type HttpParts } from './compose-http.js'
import { composeJournal, type ComposedJournal } from './compose-journal.js'
import { composeSessions, type ComposedSessions } from './compose-sessions.js'
import { composeShutdown } from './compose-shutdown.js'
import { composeStatus, type ComposedStatus } from './compose-status.js'
import type { Config } from './config/schema.js'
import { VERSION } from './config/version.js'
import { ConnectionManager } from './connections/connection-manager.js'
import { LastcallError } from './errors.js'
import type { ServerStatus } from './http/app.js'
import { descriptorLimit, descriptorShares } from './http/descriptors.js'
import type { InstanceAnnouncer } from './instances/instance-announcer.js'
import type { Journal } from './journal/journal.js'
import type { AssembledServer } from './lastcall-server.js'
import type { Logger } from './observability/log.js'
import { Stats } from './observability/stats.js'
import { broadcastWhileServing } from './periodic-broadcast.js'
import { systemRandomness, type Randomness } from './randomness.js'
import type { Hooks } from './sessions/hooks.js'
import { PendingHandshakes } from './sessions/pending-handshakes.js'
import type { TokenVerifier } from './sessions/token-verifier.js'
import type { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'
import { encodeTextFrame } from './websocket/frame.js'
import { WEBSOCKET_ENCODING } from './websocket/websocket-encoding.js'

export interface Assembly {
  readonly log: Logger
  /** Default: the server itself decides on clients and messages. */
  readonly hooks?: Hooks
  /** The application's journal. Default: the server opens and closes the one that JOURNAL_URL names. */
  readonly journal?: Journal | undefined
  /** Aborts the wait for the journal's server. */
  readonly signal?: AbortSignal | undefined
  /**
   * Derives the status that HTTP reports from the status of this process. Default: HTTP reports the status of this
   * process.
   */
  readonly aggregateStatus?: (own: ServerStatus) => ServerStatus
  /** Called when the start begins to wait for the journal's server, and when that wait ends. */
  readonly onWaitingForJournal?: (isWaiting: boolean) => void
  /**
   * The secret that signs sessions if neither the configuration nor the journal has one. All workers of a primary share
   * it.
   */
  readonly sharedSessionSecret?: string
  /** The seams of the simulation. Default: the system's clock and randomness, tokens and HTTP as configured. */
  readonly surroundings?: Surroundings
}

/** Everything that a server asks of the process and the network around it. */
export interface Surroundings {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly verifyToken: TokenVerifier | undefined
  /** Composes what listens. */
  readonly composeFront: (config: Config, parts: HttpParts) => Promise<ComposedHttp>
}

const REAL: Surroundings = {
  clock: systemClock,
  randomness: systemRandomness,
  verifyToken: undefined,
  composeFront: composeHttp,
}

const OPEN_ACCESS =
  'no authentication is configured: the server accepts every client under any free name. Set AUTH_SECRET to ask for tokens'

/** The interval at which the server evicts old entries and forgets idle budgets, in milliseconds. */
const SWEEP_INTERVAL_MS = 1000

/**
 * Opens the journal and assembles the server, which does not listen yet.
 *
 * @param config Complete and checked.
 * @throws {LastcallError} As `createServer` does.
 */
export async function assembleServer(config: Config, assembly: Assembly): Promise<AssembledServer> {
  const { log, hooks = {}, signal, sharedSessionSecret, aggregateStatus = (own: ServerStatus) => own } = assembly
  const { clock, randomness, verifyToken, composeFront } = assembly.surroundings ?? REAL
  const base = {
    node: randomness.bytes(6).toString('base64url'),
    startedAtMs: clock.monotonic(),
    encodeFrame: encodeTextFrame,
    stats: new Stats(),
    clock,
    randomness,
    log,
  }
  // A mistake in the TLS files ends the start before the journal is open.
  const tls = tlsFilesOf(config)
  const shares = descriptorShares(descriptorLimit())

  const onWaiting = assembly.onWaitingForJournal
  const storage = await composeJournal(config, { ...base, given: assembly.journal, signal, onWaiting })
  const connections = new ConnectionManager({
    ...base,
    heartbeatIntervalSeconds: config.heartbeatIntervalSeconds,
    closeTimeoutSeconds: config.closeTimeoutSeconds,
  })
  const delivery = composeDelivery(config, { ...base, ...storage, connections, encoding: WEBSOCKET_ENCODING })
  const { hub, cluster, announcer } = delivery
  const unobserve = hub.feed.observe({ onAvailability: (isAvailable) => onWaiting?.(!isAvailable) })
  await openDelivery(delivery, storage, signal)
  unobserve()

  const pendingHandshakes = new PendingHandshakes({ timeoutMs: config.handshakeTimeoutSeconds * 1000, clock })
  const closingSteps = new ClosingSteps({ closeTimeoutSeconds: config.closeTimeoutSeconds, clock, log })
  const shutdown = composeShutdown(config, { ...base, connections, pendingHandshakes, cluster, closingSteps })
  const sessions = composeSessions(config, {
    ...base,
    ...{ connections, hub, cluster, announcer, shutdown, pendingHandshakes, hooks, verifyToken },
    sessionSecret: storage.sessionSecret ?? sharedSessionSecret,
    lastingConnections: shares.lasting,
  })
  const reports = composeStatus(config, { ...base, connections, delivery, shutdown })
  const http = await composeFront(config, {
    ...base,
    ...{ tls, shares, shutdown },
    status: aggregateStatus(reports.ownStatus),
    isJournalAvailable: () => hub.feed.isAvailable,
    instances: () => delivery.instances,
  })

  const history = new History(hub.feed, WEBSOCKET_ENCODING)
  const backend = createBackend({ publishing: hub.publishing, history, cluster })
  const parts = { ...base, config, connections, announcer, backend, shutdown, sessions, reports, http, closingSteps }
  http.onConnection(sessions.handle)
  broadcastWhileServing({ ...base, intervalSeconds: config.broadcastIntervalSeconds, connections, shutdown })
  announceStates(parts)
  shutdown.observe((state) => {
    // The forced closes have a pace of their own, and include the connections that wait for the change of the epoch.
    if (state === 'closing') hub.epochChange.stop()
  })
  const stopSweep = clock.every(SWEEP_INTERVAL_MS, () => {
    delivery.sweep()
    sessions.sweep()
  })
  const endConnections = (): Promise<void> => {
    base.stats.shutdownSeconds = shutdown.report?.durationSeconds ?? 0
    stopSweep()
    connections.dispose()
    pendingHandshakes.endAll()
    sessions.dispose()
    return Promise.resolve()
  }
  // The journal closes last, after the parts that append to it.
  closingSteps.add(
    { name: 'the connections', run: endConnections },
    { name: 'HTTP', run: () => http.close() },
    { name: 'the messages that wait for the journal', run: () => delivery.close(), waitsForPeer: storage.hasServer },
    { name: 'the journal', run: () => storage.close(), waitsForPeer: storage.hasServer },
  )
  return serverOf(parts)
}

/** Reads the journal into the window. An abort closes the journal, which ends a wait for the journal's server. */
async function openDelivery(
  delivery: ComposedDelivery,
  storage: ComposedJournal,
  signal: AbortSignal | undefined,
): Promise<void> {
  const giveUp = (): void => void storage.close()
  signal?.addEventListener('abort', giveUp)
  await delivery.read()
  signal?.removeEventListener('abort', giveUp)
  if (signal?.aborted) throw new LastcallError('journal_unavailable', 'the start was cancelled', { temporary: true })
  delivery.announce()
}

interface Parts {
  readonly config: Config
  readonly log: Logger
  /** The id of this instance. */
  readonly node: string
  readonly connections: ConnectionManager
  readonly announcer: InstanceAnnouncer
  readonly backend: BackendMethods
  readonly shutdown: GracefulShutdownManager
  readonly sessions: ComposedSessions
  readonly reports: ComposedStatus
  readonly http: ComposedHttp
  readonly closingSteps: ClosingSteps
}

/** Announces to the other instances when this one drains, and when it serves again after a cancelled shutdown. */
function announceStates({ announcer, shutdown, http }: Parts): void {
  shutdown.observe((state) => {
    if (state === 'draining') announcer.announce('draining')
    // The other instances send clients only to an instance that listens.
    else if (state === 'serving' && http.isReachable) announcer.announce('ready')
  })
}

function serverOf(parts: Parts): AssembledServer {
  const { config, log, node, connections, announcer, backend, shutdown, sessions, reports, http, closingSteps } = parts
  const startServing = (): void => {
    shutdown.started()
    if (sessions.isOpen) log.warn('open_access', OPEN_ACCESS)
  }
  return {
    ...backend,
    node,
    connections,
    shutdown,
    async listen({ fd } = {}) {
      const bound = http.listen(fd)
      startServing()
      const address = await bound
      announcer.announce('ready')
      const fields = { ...address, node, build: config.build, version: VERSION }
      log.info('listening', fields, `listening at ${address.httpUrl}`)
      return address
    },
    attach(httpServer, { path } = {}) {
      http.attach(httpServer, path)
      startServing()
      announcer.announce('ready')
    },
    health: () => reports.ownHealth(),
    metrics: () => reports.metrics.metrics(),
    stopListening: () => http.stopListening(),
    ownStatus: reports.ownStatus,
    get givenUp() {
      return closingSteps.givenUp
    },
    metricReadings: () => reports.metricReadings(),
    renewKeys(renewed) {
      const tls = tlsFilesOf(renewed)
      sessions.renewKeys(renewed)
      if (tls) http.renewTls(tls)
    },
    close() {
      shutdown.begin('request')
      return shutdown.waitForShutdown()
    },
  }
}
