/**
 * The metrics of several workers as those of one server. Counters and histograms are added up, and what a worker had
 * counted stays counted when it has gone: a sum that went down would look like a restart to Prometheus, and all of it
 * would be counted again. A gauge of which the sum says nothing, a lag for example, is shown for each worker.
 */
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'
import { countDroppedLines, type MetricReading } from './metrics.js'

/** Whose readings they are. */
export interface ReadingsOf {
  readonly worker: number
  readonly generation: number
}

/** Gauges that are as true for all together as for one. */
const SUMMED_GAUGES: readonly string[] = ['lastcall_active_connections', 'lastcall_behind_connections']

const isCumulative = ({ type }: MetricReading): boolean => {
  // At run time it is a word; the types know only the numbers.
  const name = String(type)
  return name === 'counter' || name === 'histogram'
}

export class AggregateMetrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE
  /** What the primary itself counts. */
  readonly supervisor = new SupervisorMetrics()
  readonly #latest = new Map<string, { readonly of: ReadingsOf; readonly readings: readonly MetricReading[] }>()
  /** What those who have gone had counted. */
  #departed: readonly MetricReading[] = []
  #folding: Promise<unknown> = Promise.resolve()

  /** What a worker says now. */
  update(of: ReadingsOf, readings: readonly MetricReading[]): void {
    this.#latest.set(keyOf(of), { of, readings })
  }

  /** It has gone: what it said last is what is known. */
  depart(of: ReadingsOf): void {
    const last = this.#latest.get(keyOf(of))
    this.#latest.delete(keyOf(of))
    if (!last) return
    const readings = last.readings.filter(isCumulative)
    this.#folding = this.#folding.then(async () => {
      this.#departed = await aggregate([this.#departed, readings]).getMetricsAsJSON()
    })
  }

  /** In the text format of Prometheus. */
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

/** Everything is added up: what must not be has labels that nobody else has. */
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
    help: 'With WORKERS: workers that ended before their time and were replaced.',
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
