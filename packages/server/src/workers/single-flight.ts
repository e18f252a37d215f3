/**
 * One call at a time, whose answer is for all who ask meanwhile. `/health` is open to everybody, and a thousand questions a
 * second must not become a thousand times as many messages as there are workers.
 */
export function singleFlight<T>(call: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => {
    running ??= call().finally(() => (running = undefined))
    return running
  }
}
