/**
 * What the parts of the server need to write a log: a small interface and the fixed list of events. No import, so that
 * every folder may use it; the implementation is logger.ts.
 */

/** Every event there is, and what it says. An operator filters by these; docs/reference/logs.md is made from them. */
export const LOG_EVENTS = {
  config: 'What the server runs with, at start, or something about it that deserves a look.',
  open_access: 'Said at start when no authentication is configured: everybody may come in under any free name.',
  listening: 'The server takes connections, at this address.',
  connect: 'A client was let in.',
  disconnect: "A client's connection ended, with its close code.",
  rejected: 'A newcomer was turned away, and why.',
  abuse: 'A connection is closed for what it sent.',
  'hook.failed': 'A hook of the application threw, rejected, took too long or gave no answer. `hook` is its name.',
  'keys.unavailable': 'The keys of AUTH_JWKS_URL cannot be fetched. Those that were fetched before stay in use.',
  'keys.available': 'The keys of AUTH_JWKS_URL have been fetched again.',
  'admin.wrong_token':
    'A wrong ADMIN_TOKEN was presented: the first one of an address in a minute, and the first one beyond the limit.',
  takeover: 'A newer connection of the same client replaced an older one.',
  message: "A client's message was taken (level debug). Its size, never its content.",
  behind: 'A connection could not keep up: it reads on from the window, or was closed because that has moved on.',
  'journal.opened': 'The journal is open and its kept entries are read.',
  'journal.unavailable': 'The journal cannot be reached or written; messages are answered with `journal_unavailable`.',
  'journal.available': 'The journal is back.',
  'journal.epoch': 'The journal turned out to be another one: every cursor given so far is void.',
  'journal.foreign': 'Something else than lastcall writes into the journal; what it wrote is skipped.',
  'shutdown.started': 'A shutdown began, and what asked for it.',
  'shutdown.delay': 'Newcomers are still served while load balancers take notice.',
  'shutdown.warning': 'The clients were told, at the beginning or as a reminder.',
  'shutdown.progress': 'How many are left, how the others went, and when it will be over at that rate.',
  'shutdown.second_signal': 'Another signal came during a shutdown: no more waiting.',
  'shutdown.closing': 'Those who are left are being closed.',
  'shutdown.report': 'What happened to whom.',
  'shutdown.cancelled': 'A shutdown was called off; the server serves on.',
  'shutdown.given_up':
    'Something did not close within CLOSE_TIMEOUT, such as a journal whose disk does not answer: what was given up. The exit code is not 0.',
  'shutdown.closed': 'Everything is closed; the process ends.',
  'shutdown.grace': 'The time that the platform grants is shorter than what a shutdown may take.',
  'worker.started': 'With WORKERS: a worker listens.',
  'worker.ended': "With WORKERS: a worker's process ended, and why, if it was not told to.",
  'worker.silent': 'With WORKERS: a worker gives no sign of life; after WORKER_TIMEOUT it is killed.',
  'worker.replaced': 'With WORKERS: another one takes the place of a worker that crashed, after this delay.',
  'reload.started':
    'SIGHUP came: the configuration, TLS files and keys are read again, with WORKERS by new workers that will take over.',
  'reload.done':
    'With WORKERS: the new workers serve, and the old ones say good-bye. Otherwise: what was read again is in force; what would need a restart is named.',
  'reload.failed': 'What was read again cannot be used, and why. Everything goes on as before.',
  systemd: 'systemd wants to know how the service is doing, and cannot be told.',
  'log.dropped': 'The reader of the log did not read for a while, and so many lines were dropped.',
  http: 'An HTTP request could not be answered.',
  error: 'A defect of the server, or something that it could not do.',
} as const

export type LogEvent = keyof typeof LOG_EVENTS

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

/**
 * What is known besides the message, by name; names are camelCase and end in their unit. `error` takes anything that
 * was thrown. Never a token, never what a client said.
 */
export type LogFields = Readonly<Record<string, unknown>>

/** Takes a line: either with fields or without. */
export interface LogLine {
  (event: LogEvent, message: string): void
  (event: LogEvent, fields: LogFields, message: string): void
}

export interface Logger {
  /** Whether lines of this level are written: asked before fields are made that cost something. */
  enabled(level: LogLevel): boolean
  readonly debug: LogLine
  readonly info: LogLine
  readonly warn: LogLine
  readonly error: LogLine
  /** A logger whose every line also has these fields. */
  child(fields: LogFields): Logger
  /** Hands the operating system what is still buffered, as far as the reader of the log takes it. Never waits. */
  flush(): void
}

const nothing = (): void => undefined

/** Writes nothing. */
export const silentLogger: Logger = {
  enabled: () => false,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
  flush: nothing,
}
