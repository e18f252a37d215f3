/** A notifier that records its messages. */
import type { Notifier } from '../../src/systemd/notifier.js'

export function writtenNotifier(said: string[]): Notifier {
  return {
    ready: () => void said.push('READY'),
    reloading: () => void said.push('RELOADING'),
    stopping: () => void said.push('STOPPING'),
    status: (text) => void said.push(text),
    extendTimeout: (ms) => void said.push(`extend ${String(ms)}`),
    alive: () => void said.push('alive'),
    flush: () => Promise.resolve(),
  }
}
