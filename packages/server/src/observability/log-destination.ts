/**
 * The destination of log lines: a file descriptor. Lines are written in pieces, so that a line costs no system call. Owns the
 * lines that wait for a reader, the drop of lines when too many wait, and the wait at the end of the process; log-outlet.ts
 * keeps a descriptor from blocking. (pino's own destination retries for ever, with the process blocked, once its reader has
 * gone or the disk is full.)
 */
import { systemClock } from '../clock.js'
import { errorCode, openOutlet, type Outlet } from './log-outlet.js'

export interface LogDestination {
  /** Takes one complete line. */
  write(line: string): void
  /** Writes as much as the operating system accepts now. Never waits, never throws. */
  flush(): void
  /** Calls back with the number of dropped lines when the reader reads again, so that a log line can report it. */
  onDropped?(callback: (lines: number) => void): void
}

/** The lines are written at once when this many bytes wait, and otherwise after FLUSH_AFTER_MS. */
const FLUSH_AT_BYTES = 16_384
const FLUSH_AFTER_MS = 50
/** How many bytes may wait for a slow reader or a full disk. Beyond it lines are dropped and counted. */
const MAX_WAITING_BYTES = 1_048_576
/**
 * After a drop, lines are accepted again below this number of bytes. Otherwise each line that the reader takes would cause one
 * new line and its notice.
 */
const RESUME_AT_BYTES = MAX_WAITING_BYTES / 2
/** How long the end of the process waits for a slow reader. */
const EXIT_PATIENCE_MS = 1_000
/** The time between two attempts. It doubles while the reader takes nothing, so that a stopped reader costs no processor time. */
const RETRY_MS = 10
const MAX_RETRY_MS = 160
/**
 * Several processes may write to one pipe, as a server with WORKERS does: the system keeps writes up to this size (PIPE_BUF of
 * Linux; POSIX grants 512) in one piece.
 */
const MAX_PIECE_BYTES = 4096
const NEWLINE = 10

/** The dropped lines of all destinations of this process. */
let droppedLines = 0

/** How many lines this process has dropped because their reader was too slow. */
export const droppedLogLines = (): number => droppedLines

export class BufferedDestination implements LogDestination {
  readonly #outlet: Outlet
  #lines = ''
  /** Bytes that are not written yet, without the lines in `#lines`. */
  #rest: Buffer = Buffer.alloc(0)
  #stopTimer: (() => void) | undefined
  #retryMs = RETRY_MS
  /** The part at the front of `#rest` that a thread is writing, and its start by the monotonic clock. */
  #inThread: { readonly bytes: number; readonly sinceMs: number } | undefined
  /** The end of a regular file after the last write, in bytes. Other writers may have moved it further. */
  #fileEnd: number
  #closed = false
  /** Lines dropped since the reader last accepted lines. */
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
    this.#stopTimer?.()
    this.#stopTimer = undefined
    if (this.#outlet.mode === 'pooled') this.#writeInThread()
    else if (!this.#writeNow()) this.#retry()
    if (this.#waitingBytes <= RESUME_AT_BYTES) this.#tellOfDropped()
  }

  /** For the end of the process: waits a moment for a slow reader, because no later attempt follows. */
  flushAtExit(): void {
    const giveUpAtMs = systemClock.monotonic() + EXIT_PATIENCE_MS
    if (this.#inThread) {
      if (systemClock.monotonic() - this.#inThread.sinceMs > EXIT_PATIENCE_MS) return endWithoutThread()
      // The process can no longer receive the thread's answer. It waits for the thread's write, so that the lines stay in
      // order.
      const fileEnd = this.#fileEnd + this.#inThread.bytes
      do pause(RETRY_MS)
      while ((this.#outlet.fileEnd() ?? Infinity) < fileEnd && systemClock.monotonic() < giveUpAtMs)
      this.#rest = this.#rest.subarray(this.#inThread.bytes)
    }
    while (!this.#writeNow()) {
      if (systemClock.monotonic() >= giveUpAtMs) return
      pause(RETRY_MS)
    }
    this.#tellOfDropped()
    this.#writeNow()
  }

  get #waitingBytes(): number {
    return this.#rest.length + this.#lines.length
  }

  #schedule(delayMs: number): void {
    if (!this.#closed) this.#stopTimer ??= systemClock.after(delayMs, () => this.flush())
  }

  /** The callback logs a line through this destination, so the count is reset before. */
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
    // The callback of a running write continues with the rest.
    if (this.#inThread || this.#rest.length === 0) return
    // The thread writes all bytes at once: only a pipe can interleave lines, and pipes are not pooled.
    this.#inThread = { bytes: this.#rest.length, sinceMs: systemClock.monotonic() }
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

  /** The reader has gone, as with `lastcall | head`: the server continues without a log. */
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
 * At its exit Node waits for the threads of its pool, also for a write that never returns: to a disk that hangs, or to a
 * stopped terminal of another user. Only this call ends such a process.
 */
function endWithoutThread(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** The complete lines at the front, as many as one write may contain; a longer line alone. */
function pieceOf(lines: Buffer): Buffer {
  if (lines.length <= MAX_PIECE_BYTES) return lines
  const last = lines.lastIndexOf(NEWLINE, MAX_PIECE_BYTES - 1)
  const end = last < 0 ? lines.indexOf(NEWLINE, MAX_PIECE_BYTES) : last
  return end < 0 ? lines : lines.subarray(0, end + 1)
}

const standardStreams = new Map<number, BufferedDestination>()

/**
 * A standard stream of the process: one buffer for all writers, written out when the process ends in any way that it can
 * observe. `fd`: 1 for standard output, 2 for standard error, or the descriptor on which the primary passed on its standard
 * output.
 */
export function standardDestination(fd: number): BufferedDestination {
  const existing = standardStreams.get(fd)
  if (existing) return existing
  const destination = new BufferedDestination(fd)
  process.on('exit', () => destination.flushAtExit())
  standardStreams.set(fd, destination)
  return destination
}
