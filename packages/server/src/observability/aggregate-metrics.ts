/**
 * The metrics of several workers as those of one server. Counters and histograms are added up, and the counts of a worker that
 * has ended remain: Prometheus would take a falling sum for a restart and count all of it again. A gauge whose sum has no
 * meaning, a lag for example, is exported for each worker.
 */
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'
import { countDroppedLines, type MetricReading } from './metrics.js'

/** The worker of these readings. */
export interface ReadingsOf {
  readonly worker: number
  readonly generation: number
}

/** Gauges that are equal for one worker and for all together. */
const SUMMED_GAUGES: readonly string[] = ['lastcall_active_connections', 'lastcall_behind_connections']

const isCumulative = ({ type }: MetricReading): boolean => {
  // At run time the type is a string; the type definitions list only numbers.
  const name = String(type)
  return name === 'counter' || name === 'histogram'
}

export class AggregateMetrics {
  /** The primary's own metrics. */
  readonly supervisor = new SupervisorMetrics()
  readonly #latest = new Map<string, { readonly of: ReadingsOf; readonly readings: readonly MetricReading[] }>()
  /** The counts of the workers that have ended. */
  #departed: readonly MetricReading[] = []
  #folding: Promise<unknown> = Promise.resolve()

  /** Stores the present metrics of a worker. */
  update(of: ReadingsOf, readings: readonly MetricReading[]): void {
    this.#latest.set(keyOf(of), { of, readings })
  }

  /** The worker has ended: its last metrics remain in the sum. */
  depart(of: ReadingsOf): void {
    const last = this.#latest.get(keyOf(of))
    this.#latest.delete(keyOf(of))
    if (!last) return
    const readings = last.readings.filter(isCumulative)
    this.#folding = this.#folding.then(async () => {
      this.#departed = await aggregate([this.#departed, readings]).getMetricsAsJSON()
    })
  }

  /** All metrics in the text format of Prometheus. */
  async text(): Promise<string> {
    await this.#folding
    const each = [...this.#latest.values()].map(({ of, readings }) => readings.map((reading) => labelled(reading, of)))
    const own = await this.supervisor.registry.getMetricsAsJSON()
    return aggregate([own, ...each, this.#departed]).metrics()
  }
}

const keyOf = ({ generation, worker }: ReadingsOf): string => `${String(generation)}.${String(worker)}`

function labelled(reading: MetricReading, { worker, generation }: ReadingsOf): MetricReading {
  if (isCumulative(reading) || SUMMED_GAUGES.includes(reading.name)) return reading
  const values = reading.values.map((value) => ({ ...value, labels: { ...value.labels, worker, generation } }))
  return { ...reading, values }
}

/** prom-client adds up all values with equal labels, so a value that must stay separate gets labels of its own. */
const aggregate = (readings: readonly (readonly MetricReading[])[]): Registry =>
  AggregatorRegistry.aggregate(
    readings.map((each) => each.map((reading) => ({ ...reading, aggregator: 'sum' as const }))),
  )

class SupervisorMetrics {
  readonly registry = new Registry()

  constructor() {
    countDroppedLines(this.registry)
  }

  readonly #generation = new Gauge({
    name: 'lastcall_generation',
    help: 'With WORKERS: which generation of workers serves; each reload starts one.',
    registers: [this.registry],
  })
  readonly #crashes = new Counter({
    name: 'lastcall_worker_crashes_total',
    help: 'With WORKERS: workers that ended unexpectedly and that the primary replaced.',
    registers: [this.registry],
  })
  readonly #reloads = new Counter({
    name: 'lastcall_reloads_total',
    help: 'With WORKERS: reloads by SIGHUP.',
    labelNames: ['outcome'],
    registers: [this.registry],
  })

  serving(generation: number): void {
    this.#generation.set(generation)
  }

  crashed(): void {
    this.#crashes.inc()
  }

  reloaded(isDone: boolean): void {
    this.#reloads.inc({ outcome: isDone ? 'done' : 'failed' })
  }
}
