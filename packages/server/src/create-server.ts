/**
 * The composition root: the only file that knows all the parts. Everything else gets what it needs from here.
 */
import { randomBytes } from 'node:crypto'
import type { Server as HttpServer } from 'node:http'
import { systemClock } from './clock.js'
import { composeDelivery } from './compose-delivery.js'
import { composeSessions, configuredSessionSecret } from './compose-sessions.js'
import { configFrom } from './config/load-config.js'
import type { Config } from './config/schema.js'
import { readTlsFiles, type TlsFiles } from './config/tls-files.js'
import { VERSION } from './config/version.js'
import { ConnectionManager } from './connections/connection-manager.js'
import { CLOSES, type Close } from './connections/closes.js'
import type { Connection } from './connections/connection.js'
import { refuse } from './sessions/message-handler.js'
import type { Hooks } from './sessions/hooks.js'
import { LastcallError } from './errors.js'
import { createApp, createSplitApps, type AppDependencies, type ServerStatus } from './http/app.js'
import { createAddressReader } from './http/client-address.js'
import type { Health } from './http/health.js'
import { descriptorLimit, descriptorShares, type DescriptorShares } from './http/descriptors.js'
import { HttpServers } from './http/http-servers.js'
import { listen, listenAdmin, type Address, type ListenWhere } from './http/listen.js'
import { securityHeaders } from './http/security-headers.js'
import { engineRetention } from './journal/entry-limit.js'
import type { Journal, Release } from './journal/journal.js'
import { openJournal, sessionSecretBeside } from './journal/open-journal.js'
import { silentLogger, type Logger } from './observability/log.js'
import { createMetrics, type MetricReading } from './observability/metrics.js'
import { Stats } from './observability/stats.js'
import { startPeriodicBroadcast } from './periodic-broadcast.js'
import type { DrainReport } from './shutdown/drain-report.js'
import { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'
import { runLastSteps } from './shutdown/last-steps.js'
import { encodeTextFrame } from './websocket/frame.js'
import { NodeFront } from './websocket/node-front.js'
import { originForm } from './websocket/upgrade-request.js'
import { WEBSOCKET_ENCODING } from './websocket/websocket-encoding.js'
import { WebSocketAcceptor } from './websocket/websocket-transport.js'

export interface ServerOptions extends Partial<Config> {
  /** Default: nothing is logged. */
  readonly logger?: Logger
  /** What the application has a say in. */
  readonly hooks?: Hooks
  /**
   * A journal of the application's own, instead of the one that `journalUrl` names. Several servers may get the same one.
   * The server stops reading it when it closes and leaves it open: whoever opened the journal closes it, after the server.
   * It should keep what `engineRetention` gives for the server's HISTORY_* values; `lastcall/testing` has its contract.
   */
  readonly journal?: Journal
  /** Gives up waiting for the journal's server. Default: it is waited for as long as it takes. */
  readonly signal?: AbortSignal
}

export interface ListenOptions {
  /** The descriptor of a TCP socket that listens already (socket activation): it is served instead of host and port. */
  readonly fd?: number | undefined
}

export interface AttachOptions {
  /** Where the endpoint is: PATH and PATH/{clientId}. Default: `/ws`. */
  readonly path?: string
}

export interface LastcallServer {
  /** This instance's id. */
  readonly node: string
  readonly connections: ConnectionManager
  readonly shutdown: GracefulShutdownManager
  /** Binds the port. Rejects when it is taken, or when `fd` is not a TCP socket that can listen. */
  listen(options?: ListenOptions): Promise<Address>
  /**
   * Serves WebSockets on somebody else's HTTP server, which stays theirs: it is not closed with this one. WebSockets of
   * other paths go to the other listeners of `upgrade`; without any they are answered with 404. The page, `/health` and the rest are not served: see `health` and `metrics`.
   */
  attach(httpServer: HttpServer, options?: AttachOptions): void
  /** What `/health` answers. */
  health(): Health
  /** What `/metrics` answers: the text format of Prometheus. */
  metrics(): Promise<string>
  /** Begins a shutdown, if none runs, and resolves with its report when everybody has gone and everything is closed. */
  close(): Promise<DrainReport>
}

const WEBSOCKET_PATH = '/ws'

const SWEEP_INTERVAL_MS = 1000

/** How long HTTP requests that are under way at the end may take. */
const HTTP_CLOSE_TIMEOUT_MS = 1000

/** However short CLOSE_TIMEOUT is: a busy machine takes this long to close what does not hang. */
const MIN_END_TIMEOUT_SECONDS = 2

/**
 * Opens the journal and puts the server together; nothing listens yet. While the journal's server cannot be reached, that
 * takes as long as the outage.
 *
 * @throws {LastcallError} `config_invalid`, or `journal_unusable`; `journal_unavailable` when `signal` was aborted.
 */
export async function createServer({
  logger: log = silentLogger,
  hooks = {},
  journal,
  signal,
  ...options
}: ServerOptions = {}): Promise<LastcallServer> {
  if (journal && options.journalUrl !== undefined) {
    throw new LastcallError('config_invalid', 'journal and journalUrl: only one of them may be given')
  }
  return assembleServer(configFrom(options), { log, hooks, journal, signal })
}

/** What the command needs besides. */
export interface AssembledServer extends LastcallServer {
  /**
   * Reads the TLS files again and checks tokens with other keys: for newcomers, who is in stays in.
   *
   * @throws {LastcallError} `config_invalid`; then everything is as it was.
   */
  renewKeys(config: Config): void
  /** Takes no more connections; those that are there live on. */
  stopListening(): void
  /** What the end of the shutdown has given up, because it did not close within CLOSE_TIMEOUT. */
  readonly givenUp: readonly string[]
  /** What this process answers for itself. */
  readonly answers: ServerStatus
  /** What `/metrics` answers, for adding it up with that of other processes. */
  readonly metricReadings: () => Promise<readonly MetricReading[]>
}

interface Assembly {
  readonly log: Logger
  readonly hooks?: Hooks
  /** The caller's: it is not closed with the server. Default: the server opens and closes the one that JOURNAL_URL names. */
  readonly journal?: Journal | undefined
  /** Gives up waiting for the journal's server. */
  readonly signal?: AbortSignal | undefined
  /** What is answered over HTTP instead of what this process would answer for itself. */
  readonly aggregateStatus?: (own: ServerStatus) => ServerStatus
  /** Signs sessions where neither the configuration nor the journal has a secret: all workers of a primary share it. */
  readonly sharedSessionSecret?: string
}

/** The same for a configuration that is complete and checked. */
export async function assembleServer(
  config: Config,
  { log, hooks = {}, journal: given, signal, aggregateStatus = (own) => own, sharedSessionSecret }: Assembly,
): Promise<AssembledServer> {
  const clock = systemClock
  const stats = new Stats()
  const node = randomBytes(6).toString('base64url')
  const startedAtMs = clock.monotonic()
  const retention = {
    maxEntries: config.historySize,
    maxAgeMs: config.historyTtlSeconds * 1000,
    maxBytes: config.historyBytes,
  }

  const tls = tlsOf(config)
  const shares = descriptorShares(descriptorLimit())
  const servers = new HttpServers({
    keepAliveTimeoutMs: config.keepAliveTimeoutSeconds * 1000,
    maxIdle: config.maxIdleHttp,
    shares,
    tls,
  })
  const journal =
    given ??
    (await openJournal(config.journalUrl, {
      retention: engineRetention(retention),
      timeoutMs: config.journalTimeoutSeconds === undefined ? undefined : config.journalTimeoutSeconds * 1000,
      clock,
      log,
      signal,
    }))
  const sessionSecret =
    configuredSessionSecret(config) ??
    (given ? undefined : await sessionSecretBeside(config.journalUrl, log)) ??
    sharedSessionSecret
  const connections = new ConnectionManager({
    heartbeatIntervalSeconds: config.heartbeatIntervalSeconds,
    closeTimeoutSeconds: config.closeTimeoutSeconds,
    encodeFrame: encodeTextFrame,
    clock,
    stats,
  })
  const delivery = composeDelivery(config, {
    node,
    journal,
    retention,
    connections,
    encoding: WEBSOCKET_ENCODING,
    clock,
    stats,
    log,
  })
  const { hub, cluster, announcer } = delivery
  const { instances } = cluster
  hub.publishing.observe({ onFailed: refusePublish })
  // Filling the window takes as long as the journal's server is away, too.
  const giveUp = (): void => {
    if (!given) void journal.close()
  }
  signal?.addEventListener('abort', giveUp)
  await hub.feed.open()
  signal?.removeEventListener('abort', giveUp)
  if (signal?.aborted) throw new LastcallError('journal_unavailable', 'given up at the start', { temporary: true })
  announcer.begin()
  log.info(
    'journal.opened',
    { entries: hub.feed.window.size, bytes: hub.feed.window.bytes, offset: hub.feed.window.head },
    'the journal is open',
  )

  const periodic = { intervalSeconds: config.broadcastIntervalSeconds, startedAtMs }
  let stopPeriodicBroadcast = (): void => undefined
  const shutdown = new GracefulShutdownManager({
    connectionManager: connections,
    timeoutSeconds: config.shutdownTimeoutSeconds,
    delaySeconds: config.shutdownDelaySeconds,
    mode: config.shutdownMode,
    spreadSeconds: config.shutdownSpreadSeconds,
    closeCode: config.shutdownCloseCode,
    encodeFrame: encodeTextFrame,
    onState: (state) => {
      stopPeriodicBroadcast()
      if (state === 'closing' || state === 'closed') sessions.endPending()
      // The forced closes have a pace of their own, and include the connections that wait for this one.
      if (state === 'closing') hub.epochChange.stop()
      if (state === 'draining') announcer.announce('draining')
      else if (state === 'serving' && isReachable) announcer.announce('ready')
      if (state === 'serving') stopPeriodicBroadcast = startPeriodicBroadcast(connections, { ...periodic, clock })
    },
    onClosedToNewcomers: () => sessions.endPending(),
    canBeSeenElsewhere: () => instances.isAnotherReady,
    onEverybodyGone: closeTheRest,
    clock,
    log,
  })
  cluster.observe({
    onAdmittedElsewhere: (clientId) => {
      if (instances.isDraining) shutdown.seenElsewhere(clientId)
    },
    onClaimedElsewhere: (claim, by) => {
      // A client that moves leaves by itself, once it has caught up there.
      if (!(by.isMoving && instances.isDraining)) endClaimed(connections, claim, CLOSES.takenOver)
    },
    onClaimOutdated: (claim) => endClaimed(connections, claim, CLOSES.claimOutdated),
    onClaimVoid: (claim) => endClaimed(connections, claim, CLOSES.idInUse),
  })
  const sessions = composeSessions(boundedByDescriptors(config, shares, log), {
    connections,
    sessionSecret,
    hub,
    cluster,
    announcer,
    hooks,
    node,
    encodeFrame: encodeTextFrame,
    isClosed: () => shutdown.isClosedToNewcomers,
    clock,
    stats,
    log,
  })

  const registry = createMetrics(
    stats,
    () => ({
      activeConnections: connections.getActiveCount(),
      behindConnections: hub.delivery.catchUps.size,
      windowEntries: hub.feed.window.size,
      windowBytes: hub.feed.window.bytes,
      journalAvailable: hub.feed.isAvailable,
      journalLagMs: hub.publishing.lagMs,
      instancesStarting: instances.count('starting'),
      instancesReady: instances.count('ready'),
      instancesDraining: instances.count('draining'),
      clusterClients: connections.getActiveCount() + cluster.clientsElsewhere,
      shutdownState: shutdown.state,
      shutdownRemainingMs: shutdown.remainingMs,
    }),
    { version: VERSION, build: config.build, node },
  )
  const health = (): Health => ({
    status: shutdown.isShuttingDown ? 'draining' : 'healthy',
    activeConnections: connections.getActiveCount(),
    shutdownInProgress: shutdown.isShuttingDown,
    uptimeSeconds: Math.round(clock.monotonic() - startedAtMs) / 1000,
    version: VERSION,
    build: config.build,
    node,
    journal: hub.feed.isAvailable ? 'up' : 'down',
  })
  const ownStatus: ServerStatus = {
    health,
    isReady: () => shutdown.isReady,
    metrics: registry,
    shutdown: {
      status: () => ({ state: shutdown.state, remainingMs: shutdown.remainingMs, report: shutdown.report }),
      begin: (why, request) => shutdown.begin(why, request),
      cancel: (why) => shutdown.cancel(why),
    },
  }
  const answers = aggregateStatus(ownStatus)
  const addressOf = createAddressReader(config.trustProxy)
  const headers = securityHeaders(tls !== undefined)
  const appDependencies: AppDependencies = {
    servers,
    health: () => answers.health(),
    isReady: () => (config.readyWithoutJournal || hub.feed.isAvailable) && answers.isReady(),
    api: config.adminToken === undefined ? undefined : adminApi(config.adminToken),
    isDraining: () => shutdown.isShuttingDown,
    metrics: config.metrics ? answers.metrics : undefined,
    headers,
    originForm,
    version: VERSION,
    onError: (error) => log.error('http', { error }, 'a request could not be answered'),
  }
  const { app, adminApp } =
    config.adminPort === undefined
      ? { app: await createApp(appDependencies), adminApp: undefined }
      : await createSplitApps(appDependencies)
  const front = new NodeFront<ListenWhere, Address>({
    server: app.server,
    path: WEBSOCKET_PATH,
    listen: (where) => listen(app, where),
    stopListening: () => servers.stopListening(),
    acceptor: new WebSocketAcceptor({
      maxPayloadBytes: config.maxPayloadBytes,
      maxBufferedBytes: config.maxBufferedBytes,
      closeTimeoutMs: config.closeTimeoutSeconds * 1000,
    }),
    onUpgrade: ({ socket }) => servers.upgraded(socket),
    addressOf,
    headers,
  })
  front.onConnection(sessions.handle)
  let listening: Promise<unknown> | undefined
  /** Before it is announced as ready, an instance has to listen. */
  let isReachable = false
  function announceReady(): void {
    isReachable = true
    announcer.announce('ready')
  }
  function startServing(): void {
    shutdown.started()
    if (!sessions.isOpen) return
    log.warn(
      'open_access',
      'no authentication is configured: the server accepts every client under any free name. Set AUTH_SECRET to ask for tokens',
    )
  }
  const stopSweep = clock.every(SWEEP_INTERVAL_MS, () => {
    delivery.sweep()
    sessions.sweep()
  })

  function adminApi(token: string): AppDependencies['api'] {
    return {
      token,
      shutdown: answers.shutdown,
      instances: () => delivery.instances,
      addressOf,
      monotonic: () => clock.monotonic(),
      onWrongToken: (address, isBlocked) =>
        log.warn(
          'admin.wrong_token',
          { address: config.logAddresses ? address : undefined, isBlocked },
          isBlocked
            ? 'too many wrong ADMIN_TOKENs came from this address: it gets 429 for up to a minute'
            : 'a wrong ADMIN_TOKEN was presented',
        ),
    }
  }

  let givenUp: readonly string[] = []

  /** Last of all, when nobody is left: the journal after those who write to it. */
  async function closeTheRest(): Promise<void> {
    stats.shutdownSeconds = shutdown.report?.durationSeconds ?? 0
    stopSweep()
    connections.dispose()
    sessions.endPending()
    front.close()
    sessions.dispose()
    const steps = [
      { name: 'HTTP', run: closeHttp },
      { name: 'the messages that wait for the journal', run: () => delivery.close() },
      // Whoever gave the journal closes it.
      { name: 'the journal', run: () => (given ? Promise.resolve() : journal.close()) },
    ]
    const timeoutSeconds = Math.max(config.closeTimeoutSeconds, MIN_END_TIMEOUT_SECONDS)
    givenUp = await runLastSteps(steps, timeoutSeconds * 1000, clock)
    if (givenUp.length === 0) return
    const fields = { givenUp, timeoutSeconds }
    log.error('shutdown.given_up', fields, `the shutdown does not wait any longer for ${givenUp.join(' and ')}`)
  }

  async function closeHttp(): Promise<void> {
    const hurry = clock.after(HTTP_CLOSE_TIMEOUT_MS, () => servers.closeAllConnections())
    // Closed while it begins to listen it would listen all the same.
    await listening?.catch(() => undefined)
    await Promise.all([app.close(), adminApp?.close()])
    hurry()
  }

  return {
    node,
    connections,
    shutdown,
    async listen({ fd } = {}) {
      const { host, port, adminHost, adminPort } = config
      const isTls = tls !== undefined
      const bound = Promise.all([
        front.listen({ host, port, fd, isTls, path: WEBSOCKET_PATH }),
        adminApp && listenAdmin(adminApp, { host: adminHost, port: adminPort ?? 0, isTls }),
      ]).then(([own, adminUrl]) => (adminUrl === undefined ? own : { ...own, adminUrl }))
      startServing()
      listening = bound
      const address = await bound
      announceReady()
      log.info(
        'listening',
        { ...address, node, build: config.build, version: VERSION },
        `listening at ${address.httpUrl}`,
      )
      return address
    },
    attach(httpServer, { path = WEBSOCKET_PATH } = {}) {
      front.adopt(httpServer, path)
      startServing()
      announceReady()
    },
    health,
    metrics: () => registry.metrics(),
    stopListening: () => front.stopListening(),
    answers: ownStatus,
    get givenUp() {
      return givenUp
    },
    metricReadings: () => registry.getMetricsAsJSON(),
    renewKeys(renewed) {
      const renewedTls = tlsOf(renewed)
      sessions.renewKeys(renewed)
      if (renewedTls) servers.renewTls(renewedTls)
    },
    close() {
      shutdown.begin('request')
      return shutdown.waitForShutdown()
    },
  }
}

/** Closes a connection whose clientId another instance holds, if it is still that connection. */
function endClaimed(connections: ConnectionManager, { clientId, connectionId }: Release, close: Close): void {
  const connection = connections.get(clientId)
  if (connection?.identity.connectionId === connectionId) connections.closePolitely(connection, close)
}

/** Tells the author that its message did not get into the journal. */
function refusePublish(author: Connection, id: string | undefined, error: LastcallError): void {
  const code = error.code === 'entry_too_large' ? 'too_large' : 'journal_unavailable'
  refuse(author, encodeTextFrame, code, { id })
}

/** The most clients that the file descriptors allow, where MAX_CONNECTIONS is more. */
function boundedByDescriptors(config: Config, { lasting }: DescriptorShares, log: Logger): Config {
  const { maxConnections } = config
  if (lasting === Infinity || (maxConnections > 0 && maxConnections <= lasting)) return config
  const text = `the file descriptors allow ${String(lasting)} clients, not MAX_CONNECTIONS: raise ulimit -n`
  log.warn('config', { maxConnections, lasting }, text)
  return { ...config, maxConnections: lasting }
}

function tlsOf({ tlsCert, tlsKey }: Pick<Config, 'tlsCert' | 'tlsKey'>): TlsFiles | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined
  const files = readTlsFiles(tlsCert, tlsKey)
  if ('of' in files) throw new LastcallError('config_invalid', `${files.of}: ${files.expected}`)
  return files
}
