/**
 * Waiting that ends: what does not happen is a violation. The bound only ends a row that hangs; it judges no times.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const LIMIT_MS = 60_000

/** Rejects where this promise does not settle in time. */
export function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let overdue: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    overdue = setTimeout(() => reject(new Error(`${what} did not come within ${LIMIT_MS / 1000} s`)), LIMIT_MS)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(overdue))
}

/** Looks again and again; resolves with the first answer that is true. A look that fails counts as no answer. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  let last: unknown
  for (const startMs = performance.now(); performance.now() - startMs < LIMIT_MS;) {
    try {
      const found = await look()
      if (found) return found
    } catch (error) {
      last = error
    }
    await sleep(20)
  }
  throw new Error(
    `${what} did not happen within ${LIMIT_MS / 1000} s${last instanceof Error ? `: ${last.message}` : ''}`,
  )
}

/** Throws a violation. */
export function must(condition: boolean, violation: string): asserts condition {
  if (!condition) throw new Error(violation)
}

/** For people: "240 ms", "1.3 s". */
export const inWords = (ms: number): string => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`)
