/**
 * How long a message takes from a client of one instance to a client of another, and beside it, in the same seconds and at
 * the same pace, what the broker and a WebSocket take without lastcall.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { webSocketTrip } from './bare.mjs'
import { startServers } from './servers.mjs'

/** Not counted: programs become faster while they warm up. */
const WARM_UP_S = 3
const MESSAGE = 'message through lastcall'
const ECHO = 'bare WebSocket'
const MAX_P99_RATIO = 15

/** @returns {Promise<{ rows: object, goals: object[] }>} */
export async function measureLatency({ journal, engine, rate, seconds, size, ...options }) {
  const servers = await startServers({ ...options, names: ['latency-a', 'latency-b'], url: journal.url })
  const trips = {
    [MESSAGE]: await messageTrip(servers, size),
    [ECHO]: await webSocketTrip(`{"type":"message","data":${dataOf(0, size)}}`),
  }
  for (const [name, opening] of Object.entries(engine.bare(journal.url))) trips[name] = await opening
  try {
    const times = await takeTurns(trips, { rate, seconds })
    return report(times, engine.goals.latency)
  } finally {
    for (const trip of Object.values(trips)) await trip.close()
    for (const server of servers) await server.stop()
  }
}

const dataOf = (number, size) => JSON.stringify(`${number} `.padEnd(size - 2, 'x'))

/** A client of the first instance publishes, and one of the second one receives. */
async function messageTrip([first, second], size) {
  const [from, to] = [
    new WebSocket(`ws://127.0.0.1:${first.port}/ws/from`),
    new WebSocket(`ws://127.0.0.1:${second.port}/ws/to`),
  ]
  await Promise.all([once(from, 'message'), once(to, 'message')])
  let number = 0
  let onMessage = () => undefined
  to.on('message', (data) => {
    if (data.includes(`"data":"${number} `)) onMessage()
  })
  return {
    async go() {
      number++
      const received = new Promise((resolve) => (onMessage = resolve))
      from.send(`{"type":"message","channel":"lobby","data":${dataOf(number, size)},"id":"${number}"}`)
      await received
    },
    close() {
      from.terminate()
      to.terminate()
    },
  }
}

/** Each trip `rate` times a second, one after the other: so none of them waits for the CPU that another one uses. */
async function takeTurns(trips, { rate, seconds }) {
  const entries = Object.entries(trips)
  const times = Object.fromEntries(entries.map(([name]) => [name, []]))
  const slotMs = 1000 / rate / entries.length
  const startMs = performance.now()
  const endMs = startMs + (WARM_UP_S + seconds) * 1000
  let dueMs = startMs
  for (let turn = 0; performance.now() < endMs; turn++) {
    const [name, trip] = entries[turn % entries.length]
    const beginMs = performance.now()
    await trip.go()
    const tookMs = performance.now() - beginMs
    if (beginMs - startMs > WARM_UP_S * 1000) times[name].push(tookMs)
    // Behind a slow trip the pace begins anew: a burst would measure a queue.
    dueMs = Math.max(dueMs + slotMs, performance.now())
    await sleep(dueMs - performance.now())
  }
  return times
}

function report(times, maxRatio) {
  const figures = Object.fromEntries(
    Object.entries(times).map(([name, list]) => [name, { ...percentiles(list), trips: list.length }]),
  )
  const rows = Object.fromEntries(
    Object.entries(figures).map(([name, { p50, p99, trips }]) => [
      name,
      { 'p50 in ms': p50.toFixed(2), 'p99 in ms': p99.toFixed(2), 'p99 ÷ p50': (p99 / p50).toFixed(1), trips },
    ]),
  )
  const { p50, p99 } = figures[MESSAGE]
  const goals = [{ what: `p99 ≤ ${MAX_P99_RATIO} × p50`, figure: p99 / p50, isReached: p99 <= MAX_P99_RATIO * p50 }]
  for (const [name, bare] of Object.entries(figures)) {
    if (name === MESSAGE || name === ECHO) continue
    const ratio = p50 / (bare.p50 + figures[ECHO].p50)
    const what = `p50 ≤ ${maxRatio} × (${name} + ${ECHO})`
    goals.push({ what, figure: ratio, isReached: ratio <= maxRatio })
  }
  return { rows, goals }
}

function percentiles(list) {
  const sorted = list.toSorted((one, other) => one - other)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
  return { p50: at(0.5), p99: at(0.99) }
}
