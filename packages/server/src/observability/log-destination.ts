/**
 * Where log lines go: a file descriptor, written to in pieces instead of line by line, so that a line costs no system
 * call. Owns what waits for a reader, what is dropped when too much waits, and what the end of the process waits for; how
 * a descriptor is kept from blocking is log-outlet.ts. (pino's own destination retries for ever, with the process
 * blocked, once its reader has gone or the disk is full.)
 */
import { errorCode, openOutlet, type Outlet } from './log-outlet.js'

export interface LogDestination {
  /** Takes one whole line. */
  write(line: string): void
  /** Hands the operating system what it takes at this moment. Never waits, never throws. */
  flush(): void
  /** Calls back with the number of dropped lines once the reader reads again; a line about it can then be written. */
  onDropped?(callback: (lines: number) => void): void
}

/** Written at once when this many bytes wait, and at the latest after FLUSH_AFTER_MS. */
const FLUSH_AT_BYTES = 16_384
const FLUSH_AFTER_MS = 50
/** What may wait for a slow reader or a full disk. Beyond it lines are dropped and counted. */
const MAX_WAITING_BYTES = 1_048_576
/** After a drop lines are taken again below this: else each line that the reader takes would bring one and its notice. */
const RESUME_AT_BYTES = MAX_WAITING_BYTES / 2
/** How long the end of the process waits for a slow reader. */
const EXIT_PATIENCE_MS = 1_000
/** Between two attempts; doubled while the reader takes nothing, so that a stopped one costs no processor time. */
const RETRY_MS = 10
const MAX_RETRY_MS = 160
/**
 * Several processes may write to one pipe, as a server with WORKERS does: only so many bytes at once are never torn
 * apart by what another one writes (PIPE_BUF of Linux; POSIX grants 512).
 */
const MAX_PIECE_BYTES = 4096
const NEWLINE = 10

/** Of all destinations of this process. */
let droppedLines = 0

/** How many lines this process has dropped because their reader was too slow. */
export const droppedLogLines = (): number => droppedLines

export class BufferedDestination implements LogDestination {
  readonly #outlet: Outlet
  #lines = ''
  /** What is not written yet, after what was gathered from `#lines`. */
  #rest: Buffer = Buffer.alloc(0)
  #timer: NodeJS.Timeout | undefined
  #retryMs = RETRY_MS
  /** The front of `#rest` that a thread is writing, and since when, by `performance.now()`. */
  #inThread: { readonly bytes: number; readonly sinceMs: number } | undefined
  /** Where a regular file ends after what was written, in bytes. If others write to it, too, it ends later. */
  #fileEnd: number
  #closed = false
  /** Since lines were last taken. */
  #dropped = 0
  #onDropped: (lines: number) => void = () => undefined

  constructor(fd: number) {
    this.#outlet = openOutlet(fd)
    this.#fileEnd = this.#outlet.fileEnd() ?? 0
  }

  /** Whether every process that shares the descriptor has it in non-blocking mode. */
  get isShared(): boolean {
    return this.#outlet.mode === 'shared'
  }

  onDropped(callback: (lines: number) => void): void {
    this.#onDropped = callback
  }

  write(line: string): void {
    if (this.#closed) return
    if (this.#waitingBytes > (this.#dropped > 0 ? RESUME_AT_BYTES : MAX_WAITING_BYTES)) {
      this.#dropped += 1
      droppedLines += 1
      return
    }
    this.#tellOfDropped()
    this.#lines += line
    if (this.#lines.length >= FLUSH_AT_BYTES && this.#rest.length === 0) this.flush()
    else this.#schedule(FLUSH_AFTER_MS)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#outlet.mode === 'pooled') this.#writeInThread()
    else if (!this.#writeNow()) this.#retry()
    if (this.#waitingBytes <= RESUME_AT_BYTES) this.#tellOfDropped()
  }

  /** For the end of the process: gives a slow reader a moment, for no later attempt comes. */
  flushAtExit(): void {
    const giveUpAtMs = performance.now() + EXIT_PATIENCE_MS
    if (this.#inThread) {
      if (performance.now() - this.#inThread.sinceMs > EXIT_PATIENCE_MS) return endWithoutThread()
      // The thread's answer cannot be heard any more. The process waits for its write, so that the lines stay in order.
      const fileEnd = this.#fileEnd + this.#inThread.bytes
      do pause(RETRY_MS)
      while ((this.#outlet.fileEnd() ?? Infinity) < fileEnd && performance.now() < giveUpAtMs)
      this.#rest = this.#rest.subarray(this.#inThread.bytes)
    }
    while (!this.#writeNow()) {
      if (performance.now() >= giveUpAtMs) return
      pause(RETRY_MS)
    }
    this.#tellOfDropped()
    this.#writeNow()
  }

  get #waitingBytes(): number {
    return this.#rest.length + this.#lines.length
  }

  #schedule(delayMs: number): void {
    if (!this.#closed) this.#timer ??= setTimeout(() => this.flush(), delayMs).unref()
  }

  /** The callback writes a line about it, which is taken like any other: so the number is set back before. */
  #tellOfDropped(): void {
    if (this.#dropped === 0) return
    const dropped = this.#dropped
    this.#dropped = 0
    this.#onDropped(dropped)
  }

  /** Whether nothing is left to write. */
  #writeNow(): boolean {
    this.#gather()
    try {
      while (this.#rest.length > 0) {
        const written = this.#outlet.writeNow(pieceOf(this.#rest))
        if (written === 0) return false
        this.#wrote(written)
      }
    } catch (error) {
      return this.#hasEnded(error)
    }
    return true
  }

  #writeInThread(): void {
    this.#gather()
    // The callback of one that runs goes on with what has come meanwhile.
    if (this.#inThread || this.#rest.length === 0) return
    // All of it at once: only in a pipe can lines be torn apart, and that is not what this is for.
    this.#inThread = { bytes: this.#rest.length, sinceMs: performance.now() }
    this.#outlet.writeInThread(this.#rest, (error, written) => {
      this.#inThread = undefined
      if (error && this.#hasEnded(error)) return
      this.#wrote(written)
      if (error) this.#retry()
      else if (this.#waitingBytes > 0) this.#schedule(this.#rest.length > 0 ? 0 : FLUSH_AFTER_MS)
    })
  }

  #wrote(bytes: number): void {
    if (bytes === 0) return
    this.#rest = this.#rest.subarray(bytes)
    this.#fileEnd += bytes
    this.#retryMs = RETRY_MS
  }

  #retry(): void {
    this.#schedule(this.#retryMs)
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS)
  }

  #gather(): void {
    if (this.#lines === '') return
    const lines = Buffer.from(this.#lines)
    this.#rest = this.#rest.length === 0 ? lines : Buffer.concat([this.#rest, lines])
    this.#lines = ''
  }

  /** The reader has gone, as with `lastcall | head`: a server goes on without a log rather than die of it. */
  #hasEnded(error: unknown): boolean {
    if (errorCode(error) !== 'EPIPE' && errorCode(error) !== 'EBADF') return false
    this.#closed = true
    this.#rest = Buffer.alloc(0)
    this.#outlet.close()
    return true
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

function pause(durationMs: number): void {
  Atomics.wait(sleeper, 0, 0, durationMs)
}

/**
 * At its exit Node waits for the threads of its pool, also for one whose write never returns: a disk that hangs, a
 * terminal of another user that was stopped. So this process has no way out but this one.
 */
function endWithoutThread(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** Whole lines off the front, as many as may be written at once; a longer line alone. */
function pieceOf(lines: Buffer): Buffer {
  if (lines.length <= MAX_PIECE_BYTES) return lines
  const last = lines.lastIndexOf(NEWLINE, MAX_PIECE_BYTES - 1)
  const end = last < 0 ? lines.indexOf(NEWLINE, MAX_PIECE_BYTES) : last
  return end < 0 ? lines : lines.subarray(0, end + 1)
}

const standardStreams = new Map<number, BufferedDestination>()

/**
 * A standard stream of the process: one buffer, whoever writes, written out when the process ends in whatever way it can
 * see. `fd`: 1 for standard output, 2 for standard error, or where the primary has put standard output.
 */
export function standardDestination(fd: number): BufferedDestination {
  const existing = standardStreams.get(fd)
  if (existing) return existing
  const destination = new BufferedDestination(fd)
  process.on('exit', () => destination.flushAtExit())
  standardStreams.set(fd, destination)
  return destination
}
