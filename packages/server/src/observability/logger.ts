/**
 * The log of the server, by pino: one JSON object per line, or a readable form at a terminal. Owns the shape of a line and
 * keeps secrets out of it. log-destination.ts writes the lines; log.ts lists the events.
 */
import { isatty } from 'node:tty'
import { pino, stdSerializers, type Logger as Pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { systemClock } from '../clock.js'
import type { LogEvent, LogFields, Logger, LogLevel, LogLine } from './log.js'
import { standardDestination, type LogDestination } from './log-destination.js'

export type LogFormat = 'auto' | 'pretty' | 'json'

export interface LoggerOptions {
  /** The least severe level that is written. Default: `info`. */
  readonly level?: LogLevel
  /** `auto` (default): pretty where standard output is a terminal, otherwise JSON. */
  readonly format?: LogFormat
  /** Default: standard output, buffered and written out at exit. */
  readonly destination?: LogDestination
  /** The descriptor that stands for standard output. Default: 1. */
  readonly fd?: number
}

/** A second safeguard: no caller should pass these fields at all. */
const SECRET_FIELDS = ['token', 'session', 'authorization', 'cookie', 'secret', 'password'] as const

/** pino appends the messages of an error's causes to its own, so an error that quotes its cause would contain it twice. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const described = stdSerializers.err(error)
  const { cause } = error
  if (!(cause instanceof Error) || !error.message.includes(cause.message)) return described
  return { ...described, message: error.message }
}

const redacted = (): string => '[redacted]'

/** Serializers by field name. They cost nothing where the field is absent; pino's `redact` costs time in every line. */
const serializers = {
  error: describeError,
  headers: () => redacted(),
  ...Object.fromEntries(SECRET_FIELDS.map((name) => [name, redacted])),
}

/**
 * pino's timestamp, but formatted once per millisecond: when thousands of clients connect at once, formatting it for each line
 * would take a third of the time of their lines.
 */
function isoTime(): () => string {
  let madeAt = 0
  let made = ''
  return () => {
    const now = systemClock.now()
    if (now !== madeAt) {
      madeAt = now
      made = `,"time":"${new Date(now).toISOString()}"`
    }
    return made
  }
}

export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = 'info', format = 'auto', fd = 1, destination = standardDestination(fd) } = options
  const atTerminal = options.destination === undefined && isatty(fd)
  const pretty = format === 'pretty' || (format === 'auto' && atTerminal)
  const root = pino(
    {
      level,
      // No pid and hostname: the collector of the logs adds them, and `node` names the instance.
      base: null,
      timestamp: isoTime(),
      formatters: { level: (label) => ({ level: label }) },
      errorKey: 'error',
      serializers,
    },
    pretty ? prettyDestination(destination, atTerminal && process.stdout.hasColors()) : destination,
  )
  const logger = wrap(root, destination)
  destination.onDropped?.((dropped) =>
    logger.warn(
      'log.dropped',
      { dropped },
      'the server dropped lines of the log: their reader did not read for a while',
    ),
  )
  return logger
}

function wrap(logger: Pino, destination: LogDestination): Logger {
  return {
    enabled: (level) => logger.isLevelEnabled(level),
    debug: line(logger, 'debug'),
    info: line(logger, 'info'),
    warn: line(logger, 'warn'),
    // An error is written at once: if the process ends right afterwards, this line explains why.
    error: line(logger, 'error', () => destination.flush()),
    child: (fields) => wrap(logger.child(fields), destination),
    flush: () => destination.flush(),
  }
}

function line(logger: Pino, level: LogLevel, afterwards?: () => void): LogLine {
  return (event: LogEvent, fieldsOrMessage: LogFields | string, message?: string) => {
    if (typeof fieldsOrMessage === 'string') logger[level]({ event }, fieldsOrMessage)
    else logger[level]({ event, ...fieldsOrMessage }, message)
    afterwards?.()
  }
}

function prettyDestination(destination: LogDestination, colorize: boolean): { write(text: string): void } {
  const format = prettyFactory({
    colorize,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    errorLikeObjectKeys: ['error'],
    messageFormat: '{event}: {msg}',
    ignore: 'event',
  })
  return { write: (text) => destination.write(format(text)) }
}
