/**
 * A logger that remembers its lines, and lets a test wait for one.
 */
import type { LogEvent, Logger, LogFields, LogLine } from '../../src/observability/log.js'

export interface RecordedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: LogEvent
  readonly fields: LogFields
}

export class RecordingLogger implements Logger {
  readonly lines: RecordedLine[] = []
  readonly #waiting = new Set<() => void>()
  readonly debug = this.#line('debug')
  readonly info = this.#line('info')
  readonly warn = this.#line('warn')
  readonly error = this.#line('error')

  enabled(): boolean {
    return true
  }

  child(): Logger {
    return this
  }

  flush(): void {
    // Nothing is buffered.
  }

  all(event: LogEvent): RecordedLine[] {
    return this.lines.filter((line) => line.event === event)
  }

  /** The first line of this event; waits for it if there is none yet. */
  first(event: LogEvent): Promise<RecordedLine> {
    return this.nth(event, 1)
  }

  /** The line of this event with this number, from 1 on; waits for it if there is none yet. */
  async nth(event: LogEvent, number: number): Promise<RecordedLine> {
    for (;;) {
      const line = this.all(event)[number - 1]
      if (line) return line
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  #line(level: RecordedLine['level']): LogLine {
    return (event: LogEvent, fields: LogFields | string) => {
      this.lines.push({ level, event, fields: typeof fields === 'string' ? {} : fields })
      for (const resolve of this.#waiting) resolve()
      this.#waiting.clear()
    }
  }
}
