/**
 * Waiting that ends: what does not happen is a violation. The bound only ends a row that hangs; it judges no times.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const LIMIT_MS = 60_000

/** Rejects where this promise does not settle in time. */
export function within(what, promise) {
  let overdue
  const limit = new Promise((_, reject) => {
    overdue = setTimeout(() => reject(new Error(`${what} did not come within ${LIMIT_MS / 1000} s`)), LIMIT_MS)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(overdue))
}

/** Looks again and again; resolves with the first answer that is true. A look that fails counts as no answer. */
export async function eventually(what, look) {
  let last
  for (const startMs = performance.now(); performance.now() - startMs < LIMIT_MS;) {
    try {
      const found = await look()
      if (found) return found
    } catch (error) {
      last = error
    }
    await sleep(20)
  }
  throw new Error(`${what} did not happen within ${LIMIT_MS / 1000} s${last ? `: ${last.message}` : ''}`)
}

/** Throws a violation. */
export function must(condition, violation) {
  if (!condition) throw new Error(violation)
}

/** For people: "240 ms", "1.3 s". */
export const inWords = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`)
