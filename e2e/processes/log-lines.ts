/** The log lines of the command, with LOG_FORMAT=json. */
import { z } from 'zod'

const logLine = z.looseObject({
  level: z.string(),
  event: z.string(),
  /** Of `listening`. */
  port: z.number().optional(),
})
export type LogLine = z.infer<typeof logLine>

/** @throws {Error} The text is no log line. */
export const parseLogLine = (json: string): LogLine => logLine.parse(JSON.parse(json))

/** @throws {Error} The line names no port. */
export function portOf({ port, event }: LogLine): number {
  if (port === undefined) throw new Error(`the log line ${event} names no port`)
  return port
}
