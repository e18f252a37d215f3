/**
 * Loaded into a server before its own code (--import): measures how long its event loop is kept from going on. At each
 * SIGUSR2 it writes a line into the file of LOOP_WATCH_FILE: the longest time since the last SIGUSR2, and the most CPU time
 * within one such time. On a machine that does other things, too, only the latter is the server's own.
 *
 * Linux counts the CPU time of the main thread alone. Elsewhere it is that of the process, with its other threads.
 */
import { appendFileSync, openSync, readSync } from 'node:fs'

const TICK_MS = 1
const FILE = process.env['LOOP_WATCH_FILE'] ?? ''
/** Its first number is for how many nanoseconds the main thread has been on a CPU. */
const SCHEDULE = '/proc/self/schedstat'

function cpuClock(): () => number {
  try {
    const file = openSync(SCHEDULE, 'r')
    const buffer = Buffer.alloc(64)
    return () => Number.parseInt(buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0)), 10) / 1e6
  } catch {
    return () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    }
  }
}

const cpuMs = cpuClock()
const longest = { ms: 0, cpuMs: 0 }
let last = { at: performance.now(), cpu: cpuMs() }

setInterval(() => {
  const now = performance.now()
  const cpu = cpuMs()
  longest.ms = Math.max(longest.ms, now - last.at - TICK_MS)
  longest.cpuMs = Math.max(longest.cpuMs, cpu - last.cpu)
  last = { at: now, cpu }
}, TICK_MS).unref()

process.on('SIGUSR2', () => {
  appendFileSync(FILE, `${JSON.stringify(longest)}\n`)
  longest.ms = longest.cpuMs = 0
})
