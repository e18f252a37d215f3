/**
 * Runs one call at a time and gives its result to all callers that arrive meanwhile. `/health` is public: a thousand requests
 * per second must not become a thousand messages to each worker.
 */
export function singleFlight<T>(call: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => {
    running ??= call().finally(() => (running = undefined))
    return running
  }
}
