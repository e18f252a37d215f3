/**
 * The signals that ask for a shutdown. SIGHUP is not among them: it asks for a reload.
 */

export const SHUTDOWN_SIGNALS = ['SIGTERM', 'SIGINT'] as const

export type ShutdownSignal = (typeof SHUTDOWN_SIGNALS)[number]

/** Calls back at each of these signals. The returned function ends this and restores their earlier effect. */
export function onShutdownSignals(callback: (signal: ShutdownSignal) => void): () => void {
  for (const signal of SHUTDOWN_SIGNALS) process.on(signal, callback)
  return () => {
    for (const signal of SHUTDOWN_SIGNALS) process.off(signal, callback)
  }
}
