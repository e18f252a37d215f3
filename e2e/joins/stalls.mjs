/** The stalls of a server into which `loop-watch.mjs` was loaded. */
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** For NODE_OPTIONS: `--import` this. */
export const LOOP_WATCH = new URL('loop-watch.mjs', import.meta.url).href

/** The complete lines of a file that another process writes. */
const linesOf = (file) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [])

/**
 * Its longest stall since this was asked last, and the most CPU time that it took in one.
 *
 * @param {{ kill(signal: string): void }} server
 * @param {string} file LOOP_WATCH_FILE of this server.
 */
export async function longestStall(server, file) {
  const before = linesOf(file).length
  server.kill('SIGUSR2')
  while (linesOf(file).length === before) await sleep(5)
  return JSON.parse(linesOf(file).at(-1))
}
