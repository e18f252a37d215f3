/** The counters of several workers, as Prometheus reads them as one server. */
import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createMetrics, type MetricReading } from '../../src/observability/metrics.js'
import { countIn, Stats, type Readings } from '../../src/observability/stats.js'
import { AggregateMetrics } from '../../src/observability/aggregate-metrics.js'
import { QUIET_READINGS } from '../support/readings.js'

const READINGS: Readings = {
  ...QUIET_READINGS,
  activeConnections: 3,
  behindConnections: 1,
  windowEntries: 7,
  windowBytes: 700,
  journalLagMs: 250,
  instancesReady: 1,
  clusterClients: 4,
}

/** The samples of a scrape that are of this metric. */
const samples = (text: string, name: string): string[] =>
  text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))

const read = (stats: Stats, some: Partial<Readings> = {}): Promise<MetricReading[]> =>
  createMetrics(stats, () => ({ ...READINGS, ...some }), { version: '1', build: 'b', node: 'n' }).getMetricsAsJSON()

function counted(connects: number): Stats {
  const stats = new Stats()
  stats.connects = connects
  for (let count = 0; count < connects; count++) countIn(stats.ends, 1001)
  return stats
}

test('the primary adds up counters and connections by their labels', async () => {
  const aggregate = new AggregateMetrics()
  const [one, two] = [counted(2), counted(5)]
  countIn(two.ends, 1006)
  aggregate.update({ worker: 1, generation: 1 }, await read(one))
  aggregate.update({ worker: 2, generation: 1 }, await read(two))
  const text = await aggregate.text()
  expect(samples(text, 'lastcall_active_connections')).toEqual(['lastcall_active_connections 6'])
  expect(samples(text, 'lastcall_behind_connections')).toEqual(['lastcall_behind_connections 2'])
  expect(samples(text, 'lastcall_connects_total')).toEqual(['lastcall_connects_total 7'])
  expect(samples(text, 'lastcall_disconnects_total')).toEqual([
    'lastcall_disconnects_total{code="1001"} 7',
    'lastcall_disconnects_total{code="1006"} 1',
  ])
})

test('the primary exports a gauge whose sum has no meaning for each worker', async () => {
  const aggregate = new AggregateMetrics()
  aggregate.update({ worker: 1, generation: 1 }, await read(new Stats()))
  aggregate.update(
    { worker: 1, generation: 2 },
    await read(new Stats(), { journalLagMs: 500, journalAvailable: false }),
  )
  const text = await aggregate.text()
  expect(samples(text, 'lastcall_journal_up')).toEqual([
    'lastcall_journal_up{worker="1",generation="1"} 1',
    'lastcall_journal_up{worker="1",generation="2"} 0',
  ])
  expect(samples(text, 'lastcall_journal_lag_seconds')).toHaveLength(2)
  expect(samples(text, 'lastcall_build_info')).toHaveLength(2)
  expect(samples(text, 'process_resident_memory_bytes')).toHaveLength(2)
  expect(samples(text, 'process_cpu_seconds_total')).toHaveLength(1)
})

test('the counts of an ended worker remain, and its gauges disappear', async () => {
  const aggregate = new AggregateMetrics()
  aggregate.update({ worker: 1, generation: 1 }, await read(counted(2)))
  aggregate.update({ worker: 1, generation: 2 }, await read(counted(5)))
  aggregate.depart({ worker: 1, generation: 1 })
  aggregate.depart({ worker: 9, generation: 9 })
  for (let again = 0; again < 2; again++) {
    const text = await aggregate.text()
    expect(samples(text, 'lastcall_connects_total')).toEqual(['lastcall_connects_total 7'])
    expect(samples(text, 'lastcall_active_connections')).toEqual(['lastcall_active_connections 3'])
    expect(samples(text, 'lastcall_journal_up')).toEqual(['lastcall_journal_up{worker="1",generation="2"} 1'])
  }
  aggregate.depart({ worker: 1, generation: 2 })
  expect(samples(await aggregate.text(), 'lastcall_connects_total')).toEqual(['lastcall_connects_total 7'])
})

test('the primary adds up histograms bucket by bucket', async () => {
  const aggregate = new AggregateMetrics()
  for (const worker of [1, 2, 3]) {
    const registry = new Registry()
    new Histogram({ name: 'took_seconds', help: 'How long', buckets: [1, 2], registers: [registry] }).observe(worker)
    aggregate.update({ worker, generation: 1 }, await registry.getMetricsAsJSON())
  }
  aggregate.depart({ worker: 3, generation: 1 })
  const text = await aggregate.text()
  expect(samples(text, 'took_seconds_bucket').map((line) => line.split(' ')[1])).toEqual(['1', '2', '3'])
  expect(samples(text, 'took_seconds_sum')).toEqual(['took_seconds_sum 6'])
})

test('the primary counts the events that only it knows', async () => {
  const metrics = new AggregateMetrics()
  metrics.supervisor.serving(2)
  metrics.supervisor.crashed()
  metrics.supervisor.reloaded(true)
  metrics.supervisor.reloaded(false)
  const text = await metrics.text()
  expect(samples(text, 'lastcall_generation')).toEqual(['lastcall_generation 2'])
  expect(samples(text, 'lastcall_worker_crashes_total')).toEqual(['lastcall_worker_crashes_total 1'])
  expect(samples(text, 'lastcall_reloads_total')).toEqual([
    'lastcall_reloads_total{outcome="done"} 1',
    'lastcall_reloads_total{outcome="failed"} 1',
  ])
})
