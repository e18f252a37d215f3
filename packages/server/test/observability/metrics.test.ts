/** The metrics that Prometheus reads. */
import { describe, expect, test } from 'vitest'
import { createMetrics } from '../../src/observability/metrics.js'
import { countIn, Stats, type Readings } from '../../src/observability/stats.js'
import { QUIET_READINGS } from '../support/readings.js'

const quiet: Readings = { ...QUIET_READINGS, clusterClients: 4 }

/** The value of a sample, as `name` or `name{label="value"}`. */
const sample = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}

describe('a scrape', () => {
  test('has the four metrics of the specification from the start', async () => {
    const text = await createMetrics(new Stats(), () => quiet).metrics()
    expect(sample(text, 'lastcall_active_connections')).toBe(0)
    expect(sample(text, 'lastcall_messages_sent_total')).toBe(0)
    expect(sample(text, 'lastcall_shutdown_duration_seconds')).toBe(0)
    expect(sample(text, 'lastcall_failed_broadcasts_total')).toBe(0)
  })

  test('reports the present values, each time', async () => {
    const stats = new Stats()
    let readings = quiet
    const metrics = createMetrics(stats, () => readings)
    await metrics.metrics()

    stats.connects += 3
    stats.deliveries += 1_000
    stats.bytesSent += 5_000
    stats.shutdownSeconds = 1.5
    stats.resumesRecovered += 2
    countIn(stats.rejections, 'origin')
    countIn(stats.rejections, 'origin')
    countIn(stats.ends, 1001)
    readings = {
      activeConnections: 2,
      behindConnections: 1,
      windowEntries: 7,
      windowBytes: 700,
      journalAvailable: false,
      journalLagMs: 250,
      instancesStarting: 0,
      instancesReady: 3,
      clusterClients: 4,
      instancesDraining: 1,
      shutdownState: 'draining',
      shutdownRemainingMs: 90_000,
    }
    await metrics.metrics()
    const text = await metrics.metrics()
    expect(sample(text, 'lastcall_connects_total')).toBe(3)
    expect(sample(text, 'lastcall_instances{state="ready"}')).toBe(3)
    expect(sample(text, 'lastcall_instances{state="draining"}')).toBe(1)
    expect(sample(text, 'lastcall_instances{state="starting"}')).toBe(0)
    expect(sample(text, 'lastcall_cluster_clients')).toBe(4)
    expect(sample(text, 'lastcall_messages_sent_total')).toBe(1_000)
    expect(sample(text, 'lastcall_sent_bytes_total')).toBe(5_000)
    expect(sample(text, 'lastcall_shutdown_duration_seconds')).toBe(1.5)
    expect(sample(text, 'lastcall_resumes_total{outcome="recovered"}')).toBe(2)
    expect(sample(text, 'lastcall_resumes_total{outcome="not_recovered"}')).toBe(0)
    expect(sample(text, 'lastcall_rejections_total{reason="origin"}')).toBe(2)
    expect(sample(text, 'lastcall_disconnects_total{code="1001"}')).toBe(1)
    expect(sample(text, 'lastcall_active_connections')).toBe(2)
    expect(sample(text, 'lastcall_behind_connections')).toBe(1)
    expect(sample(text, 'lastcall_window_entries')).toBe(7)
    expect(sample(text, 'lastcall_window_bytes')).toBe(700)
    expect(sample(text, 'lastcall_journal_up')).toBe(0)
    expect(sample(text, 'lastcall_journal_lag_seconds')).toBe(0.25)
    expect(sample(text, 'lastcall_shutdown_state{state="draining"}')).toBe(1)
    expect(sample(text, 'lastcall_shutdown_state{state="serving"}')).toBe(0)
    expect(sample(text, 'lastcall_shutdown_remaining_seconds')).toBe(90)
  })

  test('has every counter', async () => {
    const stats = new Stats()
    const numbers = Object.entries(stats).filter(([, value]) => typeof value === 'number')
    for (const [index, [key]] of numbers.entries()) Object.assign(stats, { [key]: 1_000 + index })
    const text = await createMetrics(stats, () => quiet).metrics()
    for (const [index, [key]] of numbers.entries())
      expect(text, key).toMatch(new RegExp(` ${String(1_000 + index)}$`, 'm'))
  })

  test('names the build', async () => {
    const info = { version: '1.2.3', build: 'b "7"', node: 'n1' }
    const text = await createMetrics(new Stats(), () => quiet, info).metrics()
    expect(sample(text, 'lastcall_build_info{version="1.2.3",build="b \\"7\\"",node="n1"}')).toBe(1)
  })

  test('has the process and the lag of its event loop', async () => {
    const text = await createMetrics(new Stats(), () => quiet).metrics()
    expect(sample(text, 'process_resident_memory_bytes')).toBeGreaterThan(0)
    expect(sample(text, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0)
  })

  test('of one server contains nothing of another in the same process', async () => {
    const one = new Stats()
    const first = createMetrics(one, () => quiet)
    const second = createMetrics(new Stats(), () => quiet)
    one.connects = 5
    expect(sample(await first.metrics(), 'lastcall_connects_total')).toBe(5)
    expect(sample(await second.metrics(), 'lastcall_connects_total')).toBe(0)
    expect(sample(await second.metrics(), 'process_resident_memory_bytes')).toBeGreaterThan(0)
  })
})

describe('names', () => {
  test('follow the rules of Prometheus', () => {
    const metrics = createMetrics(new Stats(), () => quiet, { version: '', build: '', node: '' })
    for (const { name, help, type } of metrics
      .getMetricsAsArray()
      .filter((each) => each.name.startsWith('lastcall_'))) {
      expect(name).toMatch(/^lastcall_[a-z]+(?:_[a-z]+)*$/)
      // prom-client returns the type as text at run time, contrary to its declaration.
      expect(name.endsWith('_total'), name).toBe(String(type) === 'counter')
      expect(name, 'base units only').not.toMatch(/_(?:ms|milliseconds|minutes|kb|mb)(?:_|$)/)
      expect(help, name).toMatch(/\.$/)
    }
  })
})
