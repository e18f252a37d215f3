/**
 * The composition of everything that listens: the HTTP servers, the routes, and the front that accepts WebSockets.
 */
import type { Server as HttpServer } from 'node:http'
import type { Clock } from './clock.js'
import type { Config } from './config/schema.js'
import { readTlsFiles, type TlsFiles } from './config/tls-files.js'
import { VERSION } from './config/version.js'
import type { ConnectionListener } from './connections/front.js'
import { LastcallError } from './errors.js'
import { createApp, createSplitApps, type AppDependencies, type ServerStatus } from './http/app.js'
import { createAddressReader } from './http/client-address.js'
import type { DescriptorShares } from './http/descriptors.js'
import { HttpServers } from './http/http-servers.js'
import type { InstanceStatus } from './http/instances-api.js'
import { listen, listenAdmin, type Address, type ListenWhere } from './http/listen.js'
import { securityHeaders } from './http/security-headers.js'
import type { Logger } from './observability/log.js'
import type { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'
import { NodeFront } from './websocket/node-front.js'
import { originForm } from './websocket/upgrade-request.js'
import { WebSocketAcceptor } from './websocket/websocket-transport.js'

export interface HttpParts {
  /** `undefined`: plain HTTP. */
  readonly tls: TlsFiles | undefined
  readonly shares: DescriptorShares
  /** The status that the routes report. */
  readonly status: ServerStatus
  /** While it runs, every answer carries `Connection: close`. */
  readonly shutdown: Pick<GracefulShutdownManager, 'isShuttingDown'>
  readonly isJournalAvailable: () => boolean
  /** The instances that share the journal, this one included. */
  readonly instances: () => readonly InstanceStatus[]
  readonly clock: Clock
  readonly log: Logger
}

export interface ComposedHttp {
  /** Whether clients can reach this instance: it listens, or an application's HTTP server passes upgrades to it. */
  readonly isReachable: boolean
  /** Passes each handshake to the listener from now on. */
  onConnection(listener: ConnectionListener): void
  /** Binds HOST and PORT, or serves the socket `fd`, which listens already; binds ADMIN_PORT, too. */
  listen(fd: number | undefined): Promise<Address>
  /** Serves WebSockets on an HTTP server of the application. */
  attach(server: HttpServer, path?: string): void
  stopListening(): void
  /** New connections get this certificate. It has no effect on a server without TLS. */
  renewTls(tls: TlsFiles): void
  /** Ends the front and the HTTP servers. Requests under way get HTTP_CLOSE_TIMEOUT_MS to end. */
  close(): Promise<void>
}

const WEBSOCKET_PATH = '/ws'

/** How long HTTP requests that are under way at the end may take, in milliseconds. */
const HTTP_CLOSE_TIMEOUT_MS = 1000

export async function composeHttp(config: Config, parts: HttpParts): Promise<ComposedHttp> {
  const { tls, shares, clock } = parts
  const servers = new HttpServers({
    keepAliveTimeoutMs: config.keepAliveTimeoutSeconds * 1000,
    maxIdle: config.maxIdleHttp,
    shares,
    tls,
  })
  const dependencies = appDependencies(config, servers, parts)
  const { app, adminApp } =
    config.adminPort === undefined
      ? { app: await createApp(dependencies), adminApp: undefined }
      : await createSplitApps(dependencies)
  const front = new NodeFront<ListenWhere, Address>({
    server: app.server,
    path: WEBSOCKET_PATH,
    listen: (where) => listen(app, where),
    stopListening: () => servers.stopListening(),
    acceptor: new WebSocketAcceptor({
      maxPayloadBytes: config.maxPayloadBytes,
      maxBufferedBytes: config.maxBufferedBytes,
      closeTimeoutMs: config.closeTimeoutSeconds * 1000,
      clock,
    }),
    onUpgrade: ({ socket }) => servers.upgraded(socket),
    addressOf: createAddressReader(config.trustProxy),
    headers: dependencies.headers,
  })
  let listening: Promise<unknown> | undefined
  let isReachable = false

  return {
    get isReachable() {
      return isReachable
    },
    onConnection: (listener) => front.onConnection(listener),
    async listen(fd) {
      const { host, port, adminHost, adminPort } = config
      const isTls = tls !== undefined
      const bound = Promise.all([
        front.listen({ host, port, fd, isTls, path: WEBSOCKET_PATH }),
        adminApp && listenAdmin(adminApp, { host: adminHost, port: adminPort ?? 0, isTls }),
      ])
      listening = bound
      const [address, adminUrl] = await bound
      isReachable = true
      return adminUrl === undefined ? address : { ...address, adminUrl }
    },
    attach(server, path = WEBSOCKET_PATH) {
      front.adopt(server, path)
      isReachable = true
    },
    stopListening: () => front.stopListening(),
    renewTls: (renewed) => servers.renewTls(renewed),
    async close() {
      front.close()
      const stop = clock.after(HTTP_CLOSE_TIMEOUT_MS, () => servers.closeAllConnections())
      // A server that is closed while it begins to listen would listen nevertheless.
      await listening?.catch(() => undefined)
      await Promise.all([app.close(), adminApp?.close()])
      stop()
    },
  }
}

/**
 * The TLS files that the configuration names; `undefined`: it names none.
 *
 * @throws {LastcallError} `config_invalid`: a file cannot be used.
 */
export function tlsFilesOf({ tlsCert, tlsKey }: Pick<Config, 'tlsCert' | 'tlsKey'>): TlsFiles | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined
  const files = readTlsFiles(tlsCert, tlsKey)
  if ('of' in files) throw new LastcallError('config_invalid', `${files.of}: ${files.expected}`)
  return files
}

function appDependencies(config: Config, servers: HttpServers, parts: HttpParts): AppDependencies {
  const { tls, status, shutdown, isJournalAvailable, log } = parts
  return {
    servers,
    health: () => status.health(),
    isReady: () => (config.readyWithoutJournal || isJournalAvailable()) && status.isReady(),
    api: config.adminToken === undefined ? undefined : adminApi(config.adminToken, config, parts),
    isDraining: () => shutdown.isShuttingDown,
    metrics: config.metrics ? status.metrics : undefined,
    headers: securityHeaders(tls !== undefined),
    originForm,
    version: VERSION,
    onError: (error) => log.error('http', { error }, 'the server could not answer a request'),
  }
}

function adminApi(
  token: string,
  { trustProxy, logAddresses }: Config,
  { status, instances, clock, log }: HttpParts,
): AppDependencies['api'] {
  return {
    token,
    shutdown: status.shutdown,
    instances,
    addressOf: createAddressReader(trustProxy),
    monotonic: () => clock.monotonic(),
    onWrongToken: (address, isBlocked) =>
      log.warn(
        'admin.wrong_token',
        { address: logAddresses ? address : undefined, isBlocked },
        isBlocked
          ? 'too many wrong ADMIN_TOKENs came from this address: it gets 429 for up to a minute'
          : 'a client sent a wrong ADMIN_TOKEN',
      ),
  }
}
