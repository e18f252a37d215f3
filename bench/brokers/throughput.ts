/**
 * How many messages per second go through one journal, and what each process takes for it: two instances, on each of them
 * publishers and one subscriber that receives everything. With an idle instance: what that one takes.
 */
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuUs } from '../process-costs.js'
import type { LoadState } from './load-commands.js'
import { Loaders } from './loaders.js'
import type { Goal, Measurement, MeasurementOptions } from './measurement.js'
import { startServers } from './servers.js'

const MAX_WARM_UP_MS = 60_000
const POLL_MS = 100
const MAX_IDLE_SHARE = 0.25
const US_PER_S = 1e6
const LOADED: readonly string[] = ['instance-a', 'instance-b']
const IDLE = 'idle'

export async function measureThroughput(options: MeasurementOptions): Promise<Measurement> {
  const { rate, processes, faults } = await run([...LOADED], { ...options, rate: 0 })
  const goal = options.engine.goals.throughput
  const speed: Goal[] =
    goal === undefined
      ? []
      : [{ what: `≥ ${goal} messages/s`, figure: rate, isReached: rate >= goal, isCorrectness: false }]
  return {
    rows: rowsOf(processes),
    goals: [correctness(faults), ...speed],
    notes: [`${Math.round(rate)} messages/s`, ...boundOf(processes), ...faults],
  }
}

export async function measureIdle(options: MeasurementOptions): Promise<Measurement> {
  const { idleRate } = options.engine.goals
  const wanted = options.rate > 0 ? options.rate : idleRate
  const { rate, processes, faults } = await run([...LOADED, IDLE], { ...options, rate: wanted })
  const idle = processes.find(({ name }) => name === IDLE)
  if (idle === undefined) throw new Error('the idle instance was not measured')
  const scaled = (idle.usPerMessage * idleRate) / US_PER_S
  const cost: Goal = {
    what: `an idle instance takes ≤ ${MAX_IDLE_SHARE * 100} % of a core at ${idleRate} messages/s`,
    figure: 100 * scaled,
    isReached: scaled <= MAX_IDLE_SHARE,
    isCorrectness: false,
  }
  const notes = [
    `${Math.round(rate)} of ${wanted} messages/s, at which the idle instance takes ${(100 * idle.share).toFixed(1)} % of a core` +
      ` (scaled by its CPU time per message to ${idleRate}/s: ${(100 * scaled).toFixed(1)} %)`,
    ...faults,
  ]
  return { rows: rowsOf(processes), goals: [correctness(faults), cost], notes }
}

interface Watched {
  readonly name: string
  readonly pid: number
}

interface ProcessCost {
  readonly name: string
  /** Of a core, from 0 to the number of cores. */
  readonly share: number
  /** CPU time per message, in µs. */
  readonly usPerMessage: number
}

interface Costs {
  /** Messages per second. */
  readonly rate: number
  readonly processes: readonly ProcessCost[]
}

/** Runs the load over instances with these names. Resolves with what each process took per message between two samples. */
async function run(
  names: readonly string[],
  options: MeasurementOptions,
): Promise<Costs & { readonly faults: readonly string[] }> {
  const { journal, rate, seconds, warmUpMessages, size, publishers } = options
  const servers = await startServers(names, options)
  const loaded = servers.filter(({ name }) => LOADED.includes(name))
  const load = await Loaders.open(loaded, publishers, size)
  const broker = journal.pid === undefined ? [] : [{ name: 'broker', pid: journal.pid }]
  const watched = [...servers, ...broker, ...load.processes]
  try {
    await load.start(rate)
    await warmUp(load, warmUpMessages)
    const before = await sample(load, watched)
    await sleep(seconds * 1000)
    const after = await sample(load, watched)
    const faults = await load.finish()
    return { ...difference(before, after), faults }
  } finally {
    load.end()
    for (const server of servers) await server.stop()
  }
}

/** Programs become faster while they warm up, which takes so many messages, however slow the machine is. */
async function warmUp(load: Loaders, messages: number): Promise<void> {
  const endMs = performance.now() + MAX_WARM_UP_MS
  const isWarm = async (): Promise<boolean> => (await load.sample()).every(({ delivered }) => delivered >= messages)
  while (!(await isWarm()) && performance.now() < endMs) await sleep(POLL_MS)
}

interface Sample {
  readonly cpu: readonly { readonly name: string; readonly us: number }[]
  readonly atMs: number
  readonly states: readonly LoadState[]
}

async function sample(load: Loaders, watched: readonly Watched[]): Promise<Sample> {
  const cpu = watched.map(({ name, pid }) => ({ name, us: cpuUs(pid) }))
  return { cpu, atMs: performance.now(), states: await load.sample() }
}

function difference(before: Sample, after: Sample): Costs {
  // Each subscriber receives everything: the slowest one counts.
  const deliveredBefore = before.states.map(({ delivered }) => delivered)
  const messages = Math.min(...after.states.map(({ delivered }, index) => delivered - (deliveredBefore[index] ?? 0)))
  const us = (after.atMs - before.atMs) * 1000
  const processes = after.cpu.map(({ name, us: total }, index): ProcessCost => {
    const used = total - (before.cpu[index]?.us ?? 0)
    return { name, share: used / us, usPerMessage: used / messages }
  })
  return { rate: (messages * US_PER_S) / us, processes }
}

const correctness = (faults: readonly string[]): Goal => ({
  what: 'each message once and in order: faults',
  figure: faults.length,
  isReached: faults.length === 0,
  isCorrectness: true,
})

const rowsOf = (processes: readonly ProcessCost[]): Measurement['rows'] =>
  Object.fromEntries(
    processes.map(({ name, share, usPerMessage }) => [
      name,
      { '% of a core': (100 * share).toFixed(0), 'µs CPU per message': usPerMessage.toFixed(1) },
    ]),
  )

/** A note of the highest rate that the CPU allows: of the machine, and of the busiest process with a core for itself. */
function boundOf(processes: readonly ProcessCost[]): string[] {
  const cores = availableParallelism()
  const total = processes.reduce((sum, { usPerMessage }) => sum + usPerMessage, 0)
  const used = processes.reduce((sum, { share }) => sum + share, 0)
  const [most] = processes.toSorted((one, other) => other.usPerMessage - one.usPerMessage)
  if (most === undefined) return []
  return [
    `all processes together took ${used.toFixed(2)} of ${cores} cores and ${total.toFixed(1)} µs per message: ` +
      `${cores} cores carry at most ${Math.round((cores * US_PER_S) / total)} messages/s; ` +
      `the busiest process is ${most.name}, which with a core for itself would carry ` +
      String(Math.round(US_PER_S / most.usPerMessage)),
  ]
}
