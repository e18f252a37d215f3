/**
 * Measures several instances over one journal (Redis, RabbitMQ, the file journal): the latency from a client of one instance to
 * a client of another, the throughput in messages per second, and the CPU time of an instance without interested clients.
 *
 *   npm run bench:brokers -- [--journal redis|rabbit|file] [--only latency|throughput|idle]
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
import { JOURNALS, type Engine } from './brokers/journals.js'
import { measureLatency } from './brokers/latency.js'
import type { Goal, Measurement, MeasurementOptions } from './brokers/measurement.js'
import { measureIdle, measureThroughput } from './brokers/throughput.js'
import { positiveInteger } from './options.js'

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
    server: { type: 'string' },
    profiles: { type: 'string' },
  },
})

interface Subject {
  readonly title: string
  /** Messages per second unless `--rate` is given; 0: the measurement decides. */
  readonly rate: number
  readonly measure: (options: MeasurementOptions) => Promise<Measurement>
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  latency: { title: 'Latency', rate: 200, measure: measureLatency },
  throughput: { title: 'Throughput', rate: 0, measure: measureThroughput },
  idle: { title: 'An idle instance', rate: 0, measure: measureIdle },
}

const engines = chosen(JOURNALS, 'journal', values.journal)
const subjects = chosen(SUBJECTS, 'only', values.only)
const options = {
  seconds: positiveInteger('seconds', values.seconds),
  warmUpMessages: positiveInteger('warm-up', values['warm-up']),
  size: positiveInteger('size', values.size),
  publishers: positiveInteger('publishers', values.publishers),
  command: values.server,
  profiles: values.profiles,
}
const rate = values.rate === undefined ? undefined : positiveInteger('rate', values.rate)

/** The row of a table that an option names; without the option, all rows. */
function chosen<Row>(table: Readonly<Record<string, Row>>, option: string, name: string | undefined): readonly Row[] {
  if (name === undefined) return Object.values(table)
  const row = Object.hasOwn(table, name) ? table[name] : undefined
  if (row === undefined) throw new Error(`--${option} is one of ${Object.keys(table).join(', ')}`)
  return [row]
}

const loadNow = (): string =>
  loadavg()
    .map((each) => each.toFixed(1))
    .join(' ')

/** Each measurement has a broker of its own: what one of them leaves behind does not slow the next one down. */
async function measure(engine: Engine, subject: Subject): Promise<readonly Goal[]> {
  const journal = await engine.start({ appendfsync: values.appendfsync })
  try {
    console.log(`\n${subject.title}: ${journal.description}; messages of ${options.size} B; load average ${loadNow()}`)
    const { rows, goals, notes } = await subject.measure({ ...options, journal, engine, rate: rate ?? subject.rate })
    console.table(rows)
    for (const note of notes) console.log(note)
    for (const { what, figure, isReached } of goals) {
      console.log(`${isReached ? 'reached' : 'NOT REACHED'}: ${what} (${Number(figure.toPrecision(3))})`)
    }
    console.log(`load average ${loadNow()}, Node ${process.version}`)
    return goals
  } finally {
    await journal.dispose()
  }
}

const goals: Goal[] = []
for (const engine of engines) {
  for (const subject of subjects) goals.push(...(await measure(engine, subject)))
}
process.exitCode = goals.every(({ isCorrectness, isReached }) => isReached || !isCorrectness) ? 0 : 1
