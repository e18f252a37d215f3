/**
 * Loaded into a server before its own code (--import): measures how long its event loop is kept from going on. At each
 * SIGUSR2 it writes a line into the file of LOOP_WATCH_FILE: the longest time since the last SIGUSR2, and the most CPU time
 * of the process within one such time. On a machine that does other things, too, only the latter is the server's own.
 */
import { appendFileSync } from 'node:fs'

const TICK_MS = 1
const longest = { ms: 0, cpuMs: 0 }
let last = { at: performance.now(), cpu: process.cpuUsage() }

setInterval(() => {
  const { user, system } = process.cpuUsage(last.cpu)
  const now = performance.now()
  longest.ms = Math.max(longest.ms, now - last.at - TICK_MS)
  longest.cpuMs = Math.max(longest.cpuMs, (user + system) / 1000)
  last = { at: now, cpu: process.cpuUsage() }
}, TICK_MS).unref()

process.on('SIGUSR2', () => {
  appendFileSync(process.env.LOOP_WATCH_FILE, `${JSON.stringify(longest)}\n`)
  longest.ms = longest.cpuMs = 0
})
