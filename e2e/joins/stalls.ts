/** The stalls of a server into which `loop-watch.ts` was loaded. */
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

/** For NODE_OPTIONS: `--import` this. */
export const LOOP_WATCH = new URL('loop-watch.js', import.meta.url).href

const stall = z.object({ ms: z.number(), cpuMs: z.number() })
/** In milliseconds. */
export type Stall = Readonly<z.infer<typeof stall>>

/** The complete lines of a file that another process writes. */
const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []

/**
 * Its longest stall since this was asked last, and the most CPU time that it took in one.
 *
 * @param file LOOP_WATCH_FILE of this server.
 */
export async function longestStall(
  server: { readonly kill: (signal: NodeJS.Signals) => void },
  file: string,
): Promise<Stall> {
  const before = linesOf(file).length
  server.kill('SIGUSR2')
  while (linesOf(file).length === before) await sleep(5)
  return stall.parse(JSON.parse(linesOf(file).at(-1) ?? ''))
}
