/**
 * How long a message takes from a client of one instance to a client of another, and beside it, in the same seconds and at
 * the same pace, what the broker and a WebSocket take without lastcall.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { percentile } from '../percentile.js'
import { webSocketTrip, type Trip } from './bare.js'
import type { Goal, Measurement, MeasurementOptions } from './measurement.js'
import { startServer, type MeasuredServer } from './servers.js'

/** The trips of these seconds do not count: programs become faster while they warm up. */
const WARM_UP_S = 3
const MESSAGE = 'message through lastcall'
const ECHO = 'bare WebSocket'
const MAX_P99_RATIO = 15

interface TimedTrip {
  readonly name: string
  readonly trip: Trip
  /** How long each trip after the warm-up took. */
  readonly timesMs: number[]
}

export async function measureLatency({
  engine,
  rate,
  seconds,
  size,
  ...options
}: MeasurementOptions): Promise<Measurement> {
  const from = await startServer('latency-a', options)
  const to = await startServer('latency-b', options)
  const trips: TimedTrip[] = []
  const add = (name: string, trip: Trip): void => void trips.push({ name, trip, timesMs: [] })
  try {
    add(MESSAGE, await messageTrip(from, to, size))
    add(ECHO, await webSocketTrip(`{"type":"message","data":${dataOf(0, size)}}`))
    for (const [name, open] of Object.entries(engine.bare(options.journal.url))) add(name, await open())
    await takeTurns(trips, rate, seconds)
  } finally {
    for (const { trip } of trips) await trip.close()
    await from.stop()
    await to.stop()
  }
  return report(trips, engine.goals.latency)
}

const dataOf = (number: number, size: number): string => JSON.stringify(`${number} `.padEnd(size - 2, 'x'))

/** A client of one instance publishes, and a client of the other one receives. */
async function messageTrip(one: MeasuredServer, other: MeasuredServer, size: number): Promise<Trip> {
  const from = new WebSocket(`ws://127.0.0.1:${one.port}/ws/from`)
  const to = new WebSocket(`ws://127.0.0.1:${other.port}/ws/to`)
  await Promise.all([once(from, 'message'), once(to, 'message')])
  let number = 0
  let onMessage: () => void = () => undefined
  to.on('message', (data: Buffer) => {
    if (data.includes(`"data":"${number} `)) onMessage()
  })
  return {
    go: async () => {
      number++
      const received = new Promise<void>((resolve) => (onMessage = resolve))
      from.send(`{"type":"message","channel":"lobby","data":${dataOf(number, size)},"id":"${number}"}`)
      await received
    },
    close: () => {
      from.terminate()
      to.terminate()
      return Promise.resolve()
    },
  }
}

/** Makes each trip `rate` times a second, one after the other, so that no trip waits for the CPU that another one uses. */
async function takeTurns(trips: readonly TimedTrip[], rate: number, seconds: number): Promise<void> {
  const slotMs = 1000 / rate / trips.length
  const measuredFromMs = performance.now() + WARM_UP_S * 1000
  const endMs = measuredFromMs + seconds * 1000
  let dueMs = performance.now()
  while (performance.now() < endMs) {
    for (const { trip, timesMs } of trips) {
      const beginMs = performance.now()
      await trip.go()
      if (beginMs > measuredFromMs) timesMs.push(performance.now() - beginMs)
      // Behind a slow trip the pace begins anew: a burst would measure a queue.
      dueMs = Math.max(dueMs + slotMs, performance.now())
      await sleep(dueMs - performance.now())
    }
  }
}

interface Figures {
  readonly name: string
  readonly p50: number
  readonly p99: number
  readonly trips: number
}

const figuresOf = ({ name, timesMs }: TimedTrip): Figures => ({
  name,
  p50: percentile(timesMs, 0.5),
  p99: percentile(timesMs, 0.99),
  trips: timesMs.length,
})

/** @param maxRatio How many times the bare trips a message through lastcall may take. `undefined`: there are none. */
function report(trips: readonly TimedTrip[], maxRatio: number | undefined): Measurement {
  const figures = trips.map(figuresOf)
  const rows = Object.fromEntries(
    figures.map(({ name, p50, p99, trips: count }) => [
      name,
      { 'p50 in ms': p50.toFixed(2), 'p99 in ms': p99.toFixed(2), 'p99 ÷ p50': (p99 / p50).toFixed(1), trips: count },
    ]),
  )
  return { rows, goals: goalsOf(figures, maxRatio), notes: [] }
}

function goalsOf([message, echo, ...bare]: readonly Figures[], maxRatio: number | undefined): Goal[] {
  if (message === undefined || echo === undefined) return []
  const { p50, p99 } = message
  const pace: Goal = {
    what: `p99 ≤ ${MAX_P99_RATIO} × p50`,
    figure: p99 / p50,
    isReached: p99 <= MAX_P99_RATIO * p50,
    isCorrectness: false,
  }
  if (maxRatio === undefined) return [pace]
  const ratios = bare.map((each): Goal => {
    const ratio = p50 / (each.p50 + echo.p50)
    const what = `p50 ≤ ${maxRatio} × (${each.name} + ${ECHO})`
    return { what, figure: ratio, isReached: ratio <= maxRatio, isCorrectness: false }
  })
  return [pace, ...ratios]
}
