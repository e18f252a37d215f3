/**
 * A file descriptor that can be written to without the event loop ever waiting for its reader. Owns how each kind of
 * descriptor is kept from blocking; what waits meanwhile is log-destination.ts.
 *
 * - A pipe or a terminal is opened once more, without blocking: the descriptor that other processes share (a shell, a
 *   `tee`, another worker) keeps its mode.
 * - A socket, such as that of journald, cannot be opened again, and neither can a pipe of another user (EACCES): its
 *   descriptor is switched to non-blocking mode for everybody who shares it. Node restores the mode at the end.
 * - A regular file has no such mode: a thread of the pool writes, one piece at a time.
 */
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'

/**
 * - `own`: a descriptor of this process alone, without blocking.
 * - `shared`: without blocking, and so for every process that has it.
 * - `pooled`: a write may block the thread that it runs in.
 */
export type OutletMode = 'own' | 'shared' | 'pooled'

export interface Outlet {
  readonly mode: OutletMode
  /**
   * Writes what the descriptor takes now. Returns how many bytes that was; 0: none at the moment. May only be called
   * where the mode is not `pooled`, or where waiting is intended.
   *
   * @throws the error of write(2), except for EAGAIN
   */
  writeNow(bytes: Buffer): number
  /** Writes in another thread. */
  writeInThread(bytes: Buffer, callback: (error: Error | null, written: number) => void): void
  /** Where the file ends, in bytes. `undefined`: the descriptor is not that of a regular file. */
  fileEnd(): number | undefined
  /** Closes what was opened here; the given descriptor stays open. */
  close(): void
}

export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined

export function openOutlet(fd: number): Outlet {
  const reopened = reopen(fd)
  if (reopened !== undefined) return outlet(reopened, 'own', () => closeSync(reopened))
  const switched = switchToNonBlocking(fd)
  // The reference keeps the descriptor open: a Socket that is collected would close it.
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

/** Another open file of the same pipe or terminal; `undefined`: it is something else, or the system does not grant it. */
function reopen(fd: number): number | undefined {
  try {
    const stat = fstatSync(fd)
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined
    // Elsewhere /dev/fd/N is only another name of the same open file, with the mode that it has.
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
