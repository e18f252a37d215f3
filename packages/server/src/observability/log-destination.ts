/**
 * Where log lines go: a file descriptor, written to in pieces instead of line by line, so that a line costs no system
 * call. Owns what happens when nobody reads them. (pino's own destination retries for ever, with the process blocked,
 * once its reader has gone or the disk is full.)
 */
import { writeSync } from 'node:fs'

export interface LogDestination {
  /** Takes one or more whole lines. */
  write(lines: string): void
  /** Writes out what is buffered, before it returns. Never throws. */
  flush(): void
}

/** Written at once when this many bytes wait, and at the latest after FLUSH_AFTER_MS. */
const FLUSH_AT_BYTES = 16_384
const FLUSH_AFTER_MS = 50
/** What may wait for a slow reader or a full disk. Beyond it lines are dropped and counted. */
const MAX_WAITING_BYTES = 1_048_576
/** How long the end of the process waits for a slow reader. */
const EXIT_PATIENCE_MS = 1_000
const RETRY_MS = 10
/**
 * Several processes may write to one pipe, as a server with WORKERS does: only so many bytes at once are never torn
 * apart by what another one writes (PIPE_BUF of Linux; POSIX grants 512).
 */
const MAX_PIECE_BYTES = 4096
const NEWLINE = 10

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined

export class BufferedDestination implements LogDestination {
  readonly #fd: number
  #lines = ''
  /** What could not be written at the last attempt. */
  #rest: Buffer = Buffer.alloc(0)
  #timer: NodeJS.Timeout | undefined
  #closed = false
  #dropped = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  write(lines: string): void {
    if (this.#closed) return
    if (this.#rest.length + this.#lines.length > MAX_WAITING_BYTES) {
      this.#dropped += 1
      return
    }
    this.#lines += lines
    if (this.#lines.length >= FLUSH_AT_BYTES && this.#rest.length === 0) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_AFTER_MS).unref()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#attempt() && !this.#closed) this.#timer = setTimeout(() => this.flush(), FLUSH_AFTER_MS).unref()
  }

  /** For the end of the process: gives a slow reader a moment, for no later attempt comes. */
  flushAtExit(): void {
    const pause = new Int32Array(new SharedArrayBuffer(4))
    const giveUpAt = Date.now() + EXIT_PATIENCE_MS
    while (!this.#attempt() && Date.now() < giveUpAt) Atomics.wait(pause, 0, 0, RETRY_MS)
  }

  /** Whether nothing is left to write. */
  #attempt(): boolean {
    if (this.#dropped > 0 && this.#rest.length === 0) {
      this.#lines += `{"level":"warn","time":"${new Date().toISOString()}","event":"error","dropped":${String(this.#dropped)},"msg":"Log lines were dropped: their reader was too slow"}\n`
      this.#dropped = 0
    }
    if (this.#lines !== '') {
      this.#rest =
        this.#rest.length === 0 ? Buffer.from(this.#lines) : Buffer.concat([this.#rest, Buffer.from(this.#lines)])
      this.#lines = ''
    }
    try {
      while (this.#rest.length > 0) this.#rest = this.#rest.subarray(writeSync(this.#fd, pieceOf(this.#rest)))
    } catch (error) {
      // The reader has gone, as with `lastcall | head`: a server goes on without a log rather than die of it.
      if (errorCode(error) === 'EPIPE' || errorCode(error) === 'EBADF') {
        this.#closed = true
        this.#rest = Buffer.alloc(0)
        return true
      }
      return false
    }
    return true
  }
}

/** Whole lines off the front, as many as may be written at once; a longer line alone. */
function pieceOf(lines: Buffer): Buffer {
  if (lines.length <= MAX_PIECE_BYTES) return lines
  const last = lines.lastIndexOf(NEWLINE, MAX_PIECE_BYTES - 1)
  const end = last < 0 ? lines.indexOf(NEWLINE, MAX_PIECE_BYTES) : last
  return end < 0 ? lines : lines.subarray(0, end + 1)
}

let standardOutput: BufferedDestination | undefined

/** The process's standard output: one buffer, whoever logs, written out when the process ends in whatever way it can see. */
export function standardOutputDestination(): LogDestination {
  if (!standardOutput) {
    const destination = new BufferedDestination(1)
    process.on('exit', () => destination.flushAtExit())
    standardOutput = destination
  }
  return standardOutput
}
