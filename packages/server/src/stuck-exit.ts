/**
 * The end of a process in which a file operation hangs. `process.exit` waits for the threads of Node's pool, so it does
 * not return either: such a process can only kill itself.
 */
import { pause, systemClock } from './clock.js'

const hasFileOperation = (): boolean => process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))

const LOOK_EVERY_MS = 10

/**
 * Ends the process with 0 as soon as no file operation is under way, for `process.exit` would wait for it. Where one is
 * still under way after the timeout, because a disk does not answer, kills the process by SIGKILL.
 *
 * @param onGivenUp Called before the process is killed.
 */
export function exitWhenNotStuck(timeoutMs: number, onGivenUp: () => void): void {
  const endMs = systemClock.monotonic() + timeoutMs
  const look = (): void => {
    if (!hasFileOperation()) process.exit(0)
    if (systemClock.monotonic() < endMs) return void pause(systemClock, LOOK_EVERY_MS).then(look)
    onGivenUp()
    process.kill(process.pid, 'SIGKILL')
  }
  look()
}

/**
 * Ensures that a failing process ends, also while a write does not return: it then kills itself by SIGKILL, so that its exit
 * status is 137. The log is written before, because its handler was registered first.
 *
 * @param mayBeStuck whether a pending file operation may never end.
 */
export function exitEvenIfStuck(mayBeStuck: () => boolean): void {
  process.on('exit', (code) => {
    if (code !== 0 && hasFileOperation() && mayBeStuck()) process.kill(process.pid, 'SIGKILL')
  })
}
