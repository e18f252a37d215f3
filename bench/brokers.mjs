#!/usr/bin/env node
/**
 * Measures several instances over one journal (Redis, RabbitMQ, the file journal): the latency from a client of one instance to
 * a client of another, the throughput in messages per second, and the CPU time of an instance without interested clients.
 *
 *   npm run build && node bench/brokers.mjs [--journal redis|rabbit|file] [--only latency|throughput|idle]
 *
 *   [--seconds 15]             each measurement, after a warm-up
 *   [--warm-up 50000]          messages before the throughput is measured, for 60 s at most
 *   [--size 128]               bytes of data per message
 *   [--rate N]                 messages per second: 200 for the latency, as many as possible for the throughput, 20,000 for idle
 *                              (RabbitMQ 10,000)
 *   [--publishers 8]           connections that publish, per instance
 *   [--appendfsync everysec]   of Redis
 *   [--server FILE]            the command of another build, to compare with
 *   [--profiles FOLDER]        each instance writes a CPU profile there when it ends
 *
 * The exit code is 1 when a message was lost, delivered twice or out of order, and not when a goal of speed was missed. On a
 * machine that does other things, too, compare CPU times and ratios within one run. Linux, 127.0.0.1 only.
 */
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { JOURNALS } from './brokers/journals.mjs'
import { measureLatency } from './brokers/latency.mjs'
import { CLI } from './brokers/servers.mjs'
import { measureIdle, measureThroughput } from './brokers/throughput.mjs'

const { values } = parseArgs({
  options: {
    journal: { type: 'string' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '15' },
    'warm-up': { type: 'string', default: '50000' },
    size: { type: 'string', default: '128' },
    rate: { type: 'string' },
    publishers: { type: 'string', default: '8' },
    appendfsync: { type: 'string', default: 'everysec' },
    server: { type: 'string', default: CLI },
    profiles: { type: 'string' },
  },
})

const MEASUREMENTS = {
  latency: { title: 'Latency', rate: 200, measure: measureLatency },
  throughput: { title: 'Throughput', rate: 0, measure: measureThroughput },
  idle: { title: 'An idle instance', rate: 0, measure: measureIdle },
}

const journals = chosen(JOURNALS, 'journal')
const measurements = chosen(MEASUREMENTS, 'only')
const options = {
  seconds: positive('seconds'),
  warmUpMessages: positive('warm-up'),
  size: positive('size'),
  publishers: positive('publishers'),
  cli: values.server,
  profiles: values.profiles,
}

function chosen(table, option) {
  const name = values[option]
  if (name === undefined) return Object.entries(table)
  if (!Object.hasOwn(table, name)) throw new Error(`--${option} is one of ${Object.keys(table).join(', ')}`)
  return [[name, table[name]]]
}

function positive(option) {
  const number = Number(values[option])
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${option} must be a positive whole number`)
  return number
}

const loadNow = () =>
  loadavg()
    .map((each) => each.toFixed(1))
    .join(' ')

let isCorrect = true
for (const [, engine] of journals) {
  // A broker of its own for each measurement: what one of them leaves behind does not slow the next one down.
  for (const [, { title, rate, measure }] of measurements) {
    const journal = await engine.start({ appendfsync: values.appendfsync })
    try {
      console.log(`\n${title}: ${journal.description}; messages of ${options.size} B; load average ${loadNow()}`)
      const wanted = values.rate === undefined ? rate : positive('rate')
      const { rows, goals, notes = [] } = await measure({ ...options, journal, engine, rate: wanted })
      console.table(rows)
      for (const note of notes) console.log(note)
      for (const { what, figure, isReached, isCorrectness } of goals) {
        console.log(`${isReached ? 'reached' : 'NOT REACHED'}: ${what} (${Number(figure.toPrecision(3))})`)
        if (isCorrectness && !isReached) isCorrect = false
      }
      console.log(`load average ${loadNow()}, Node ${process.version}`)
    } finally {
      await journal.dispose()
    }
  }
}
process.exitCode = isCorrect ? 0 : 1
