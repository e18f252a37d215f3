/**
 * A worker's log. Events that the primary logs for all workers become debug lines in each worker.
 */
import type { LogEvent, LogFields, Logger, LogLine } from '../observability/log.js'

const SAID_BY_PRIMARY: ReadonlySet<LogEvent> = new Set<LogEvent>([
  'listening',
  'shutdown.started',
  'shutdown.progress',
  'shutdown.report',
  'shutdown.closed',
])

export function quietly(log: Logger): Logger {
  const info: LogLine = (event: LogEvent, fieldsOrMessage: LogFields | string, message?: string) => {
    const line = SAID_BY_PRIMARY.has(event) ? log.debug : log.info
    if (typeof fieldsOrMessage === 'string') line(event, fieldsOrMessage)
    else line(event, fieldsOrMessage, message ?? '')
  }
  return { ...log, info }
}
