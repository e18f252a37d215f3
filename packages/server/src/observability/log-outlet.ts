/**
 * A file descriptor to which a write never blocks the event loop. Owns how each kind of descriptor is kept from blocking;
 * log-destination.ts owns the bytes that wait meanwhile.
 *
 * - A pipe or a terminal is opened a second time, in non-blocking mode. The descriptor that other processes share (a shell,
 *   a `tee`, another worker) keeps its mode.
 * - A socket, such as that of journald, cannot be opened again, and neither can a pipe of another user (EACCES). Its
 *   descriptor is switched to non-blocking mode for all processes that share it. Node restores the mode at the end.
 * - A regular file has no such mode: a thread of the pool writes, one piece at a time.
 */
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'

/**
 * - `own`: a descriptor of this process alone, without blocking.
 * - `shared`: without blocking, also for every other process that has the descriptor.
 * - `pooled`: a write may block the thread that it runs in.
 */
export type OutletMode = 'own' | 'shared' | 'pooled'

export interface Outlet {
  readonly mode: OutletMode
  /**
   * Writes as much as the descriptor accepts now. Returns the number of bytes; 0: none at the moment. Call it only when the
   * mode is not `pooled`, or when waiting is intended.
   *
   * @throws the error of write(2), except for EAGAIN
   */
  writeNow(bytes: Buffer): number
  /** Writes in a thread of the pool. */
  writeInThread(bytes: Buffer, callback: (error: Error | null, written: number) => void): void
  /** The size of the file, in bytes. `undefined`: the descriptor is not that of a regular file. */
  fileEnd(): number | undefined
  /** Closes the descriptor that this outlet opened; the given one stays open. */
  close(): void
}

export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined

export function openOutlet(fd: number): Outlet {
  const reopened = reopen(fd)
  if (reopened !== undefined) return outlet(reopened, 'own', () => closeSync(reopened))
  const switched = switchToNonBlocking(fd)
  // The reference keeps the descriptor open: the garbage collector would close the descriptor of an unreferenced Socket.
  if (switched) return outlet(fd, 'shared', () => switched.unref())
  return outlet(fd, 'pooled', () => undefined)
}

function outlet(fd: number, mode: OutletMode, close: () => void): Outlet {
  return {
    mode,
    writeNow(bytes) {
      try {
        return writeSync(fd, bytes)
      } catch (error) {
        if (errorCode(error) === 'EAGAIN') return 0
        throw error
      }
    },
    writeInThread: (bytes, callback) => write(fd, bytes, 0, bytes.length, null, callback),
    fileEnd() {
      try {
        const stat = fstatSync(fd)
        return stat.isFile() ? stat.size : undefined
      } catch {
        return undefined
      }
    },
    close,
  }
}

/** A second open file of the same pipe or terminal; `undefined`: the descriptor is of another kind, or the system refuses. */
function reopen(fd: number): number | undefined {
  try {
    const stat = fstatSync(fd)
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined
    // On other systems /dev/fd/N names the same open file, with its present mode.
    if (process.platform !== 'linux') return undefined
    // Without O_NOCTTY a terminal could become the controlling one of a service that has none.
    return openSync(`/proc/self/fd/${String(fd)}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}

function switchToNonBlocking(fd: number): Socket | undefined {
  try {
    const stat = fstatSync(fd)
    if (!stat.isFIFO() && !stat.isSocket()) return undefined
    return new Socket({ fd, readable: false, writable: true }).unref()
  } catch {
    return undefined
  }
}
