/**
 * The interface of a server: the part that an application uses, and the part that only the command uses.
 */
import type { Server as HttpServer } from 'node:http'
import type { BackendMethods } from './backend/backend.js'
import type { Config } from './config/schema.js'
import type { ConnectionManager } from './connections/connection-manager.js'
import type { ServerStatus } from './http/app.js'
import type { Health } from './http/health.js'
import type { Address } from './http/listen.js'
import type { MetricReading } from './observability/metrics.js'
import type { DrainReport } from './shutdown/drain-report.js'
import type { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'

export interface ListenOptions {
  /** The descriptor of a TCP socket that already listens (socket activation). The server serves it instead of HOST and PORT. */
  readonly fd?: number | undefined
}

export interface AttachOptions {
  /** The path of the endpoint: the server serves PATH and PATH/{clientId}. Default: `/ws`. */
  readonly path?: string
}

export interface LastcallServer extends BackendMethods {
  /** The id of this instance. */
  readonly node: string
  readonly connections: ConnectionManager
  readonly shutdown: GracefulShutdownManager
  /** Binds the port. Rejects when the port is taken, or when `fd` is not a TCP socket that can listen. */
  listen(options?: ListenOptions): Promise<Address>
  /**
   * Serves WebSockets on an HTTP server of the application. The application closes that HTTP server itself. WebSockets of
   * other paths go to the other listeners of `upgrade`; if there are none, the server answers them with 404. The server does
   * not serve the page, `/health` and the other routes there: the application does, with `health` and `metrics`.
   */
  attach(httpServer: HttpServer, options?: AttachOptions): void
  /** The answer of `/health`. */
  health(): Health
  /** The answer of `/metrics`, in the text format of Prometheus. */
  metrics(): Promise<string>
  /** Begins a shutdown, if none runs. Resolves with its report when all connections have ended and everything is closed. */
  close(): Promise<DrainReport>
}

/** The server as the command uses it. */
export interface AssembledServer extends LastcallServer {
  /**
   * Reads the TLS files again and verifies the tokens of new clients with the keys of `config`. Connections that exist
   * continue unchanged.
   *
   * @throws {LastcallError} `config_invalid`; the server then keeps the old files and keys.
   */
  renewKeys(config: Config): void
  /** Accepts no more connections; those that exist continue. */
  stopListening(): void
  /** The closing steps that hang in this process, and for which the shutdown did not wait longer than CLOSE_TIMEOUT. */
  readonly givenUp: readonly string[]
  /** The status of this process alone; over HTTP a worker reports the aggregate of all workers. */
  readonly ownStatus: ServerStatus
  /** The values of `/metrics`, which the primary aggregates with those of other processes. */
  readonly metricReadings: () => Promise<readonly MetricReading[]>
}
