/**
 * Ends a process in which a file operation hangs. `process.exit` waits for the threads of Node's pool and would not
 * return either, so such a process can only kill itself.
 */
import { pause, systemClock } from './clock.js'

const hasFileOperation = (): boolean => process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))

const LOOK_EVERY_MS = 10

/**
 * Ends the process with 0 as soon as no file operation is under way. If one is still under way after the timeout,
 * because a disk does not answer, the process kills itself by SIGKILL.
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
 * Ensures that a failing process ends even while a write does not return: it then kills itself by SIGKILL, with the
 * exit status 137. The log line is written before, because its handler was registered first.
 *
 * @param mayBeStuck Whether a pending file operation may never end.
 */
export function exitEvenIfStuck(mayBeStuck: () => boolean): void {
  process.on('exit', (code) => {
    if (code !== 0 && hasFileOperation() && mayBeStuck()) process.kill(process.pid, 'SIGKILL')
  })
}
