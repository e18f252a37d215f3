/**
 * The end of a process in which a file operation hangs. `process.exit` waits for the threads of Node's pool, so it does
 * not return either: such a process can only kill itself.
 */

/**
 * Sees to it that a process that fails ends, also while a write is not answered: by SIGKILL then, so that its exit
 * status is 137. The log is written out before: its handler was registered first.
 *
 * @param mayBeStuck whether a file operation that is under way may never end.
 */
export function exitEvenIfStuck(mayBeStuck: () => boolean): void {
  process.on('exit', (code) => {
    const hasFileOperation = process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))
    if (code !== 0 && hasFileOperation && mayBeStuck()) process.kill(process.pid, 'SIGKILL')
  })
}
