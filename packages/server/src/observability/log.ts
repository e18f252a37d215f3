/**
 * The interface of the log, and the fixed list of its events. It imports nothing, so that every folder may use it; the
 * implementation is logger.ts.
 */

/** Every event and its meaning. An operator filters by them; docs/reference/logs.md is generated from them. */
export const LOG_EVENTS = {
  config: 'A warning about the configuration or about the surroundings of the server.',
  open_access: 'At the start: no authentication is configured, so the server accepts every client under any free name.',
  listening: 'The server accepts connections at this address.',
  connect: 'The server accepted a client.',
  disconnect: "A client's connection ended, with its close code.",
  rejected: 'The server rejected a handshake, and why.',
  abuse: 'The server closes a connection because of what the client sent.',
  'hook.failed': 'A hook of the application threw, rejected, took too long or gave no answer. `hook` is its name.',
  'keys.unavailable': 'The server cannot fetch the keys of AUTH_JWKS_URL. The keys that it fetched before stay in use.',
  'keys.available': 'The server has fetched the keys of AUTH_JWKS_URL again.',
  'admin.wrong_token':
    'A client sent a wrong ADMIN_TOKEN: the first one of an address in a minute, and the first one beyond the limit.',
  takeover: 'A newer connection of the same client replaced an older one.',
  message: "The server accepted a client's message (level debug). The line has its size, never its content.",
  behind:
    'A connection was too slow: the server delivers to it from the window, or closed it because the window has evicted its next entry.',
  'journal.opened': 'The journal is open, and the server has read its retained entries.',
  'journal.unavailable':
    'The journal cannot be reached or written; the server refuses messages with `journal_unavailable`.',
  'journal.available': 'The journal accepts entries again.',
  'instance.lost': 'Nothing came from an instance for INSTANCE_TIMEOUT: its clients count as gone.',
  'instance.clock': 'The clock of another instance is more than 5 s ahead of this one.',
  'journal.epoch': 'The journal was replaced: every earlier cursor is void.',
  'journal.closes':
    'The server has closed every connection of a journal that was replaced: how many, in which time, and the most within a second.',
  'journal.foreign': 'Another program writes to the journal; the server skips its entries.',
  'shutdown.started': 'A shutdown started, and what requested it.',
  'shutdown.delay': 'The server still accepts clients, while load balancers notice that `/ready` answers 503.',
  'shutdown.warning': 'The server warned or reminded its clients of the shutdown.',
  'shutdown.progress':
    'How many connections are left, how the others ended, and when the drain will be over at that rate.',
  'shutdown.second_signal': 'A second signal ended the waiting of a shutdown.',
  'shutdown.closing': 'The server closes the remaining connections.',
  'shutdown.report': 'The report of a shutdown: what happened to the connections.',
  'shutdown.cancelled': 'A shutdown was cancelled; the server serves as before.',
  'shutdown.given_up':
    'The shutdown no longer waits for something that did not close within CLOSE_TIMEOUT, such as a journal whose disk does not answer. The exit code is not 0.',
  'shutdown.closed': 'Everything is closed; the process ends.',
  'shutdown.grace': 'The time that the platform grants is shorter than what a shutdown may take.',
  'worker.waiting': 'A worker that starts waits for the server of its journal, every second (debug).',
  'worker.started': 'With WORKERS: a worker listens.',
  'worker.ended': "With WORKERS: a worker's process ended, and why, if the primary did not tell it to.",
  'worker.silent': 'With WORKERS: a worker does not answer; the primary kills it after WORKER_TIMEOUT.',
  'worker.replaced': 'With WORKERS: the primary starts a replacement of a worker that crashed, after this delay.',
  'reload.started':
    'SIGHUP arrived: the server reads the configuration, TLS files and keys again; with WORKERS, new workers do and take over.',
  'reload.done':
    'With WORKERS: the new workers serve, and the old ones drain. Otherwise: the server applies what it has read again, and names the changes that need a restart.',
  'reload.failed': 'The new configuration cannot be used, and why. The server keeps the old one.',
  systemd: 'The server cannot report its state to systemd.',
  'log.dropped': 'The reader of the log did not read for a while: the server dropped this number of lines.',
  http: 'The server could not answer an HTTP request.',
  error: 'A defect of the server, or a failure of something that it needs.',
} as const

export type LogEvent = keyof typeof LOG_EVENTS

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

/**
 * Fields of a line besides its message; names are camelCase and end in their unit. `error` takes any thrown value. A field
 * never contains a token or the content of a message.
 */
export type LogFields = Readonly<Record<string, unknown>>

/** Writes a line, with fields or without. */
export interface LogLine {
  (event: LogEvent, message: string): void
  (event: LogEvent, fields: LogFields, message: string): void
}

export interface Logger {
  /** Whether lines of this level are written. A caller asks before it computes expensive fields. */
  enabled(level: LogLevel): boolean
  readonly debug: LogLine
  readonly info: LogLine
  readonly warn: LogLine
  readonly error: LogLine
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger
  /** Writes buffered lines, as far as the reader of the log accepts them. Never waits. */
  flush(): void
}

const nothing = (): void => undefined

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  enabled: () => false,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
  flush: nothing,
}
