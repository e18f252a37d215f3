/**
 * The public API of the package.
 */
export type { BackendMethods, ChannelPresence, PublishOptions } from './backend/backend.js'
export type { HistoryMessage, HistoryPage, HistoryQuery } from './backend/history.js'
export { createServer, type ServerOptions } from './create-server.js'
export type { AttachOptions, LastcallServer, ListenOptions } from './lastcall-server.js'
export type { Config } from './config/schema.js'
export {
  ConnectionManager,
  type Broadcast,
  type ConnectionManagerOptions,
  type ConnectionObserver,
} from './connections/connection-manager.js'
export type { Connection, ConnectionIdentity } from './connections/connection.js'
export type { Transport, TransportListener } from './connections/transport.js'
export type { DisconnectEvent, Hooks, PublishAttempt, PublishDecision, ConnectRequest } from './sessions/hooks.js'
export { LastcallError, type LastcallErrorCode } from './errors.js'
export { decodeEntry, encodeEntry } from './journal/entry-codec.js'
export { engineRetention } from './journal/entry-limit.js'
export type {
  EngineRetention,
  Entry,
  EntryContent,
  Journal,
  JournalListener,
  NewEntry,
  PlaceholderContent,
  Retention,
  Tail,
  UnknownContent,
} from './journal/journal.js'
export { placeholderAt } from './journal/placeholder.js'
export type { Health } from './http/health.js'
export type { Address } from './http/listen.js'
export { createLogger, type LoggerOptions } from './observability/logger.js'
export { silentLogger, type Logger } from './observability/log.js'
export type { DrainReport } from './shutdown/drain-report.js'
export { GracefulShutdownManager } from './shutdown/graceful-shutdown-manager.js'
export type { GracefulShutdownOptions } from './shutdown/shutdown-options.js'
export type { ShutdownState } from './shutdown/shutdown-state.js'
