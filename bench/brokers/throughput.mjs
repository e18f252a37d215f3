/**
 * How many messages per second go through one journal, and what each process takes for it: two instances, on each of them
 * publishers and one subscriber that receives everything. With an idle instance: what that one takes.
 */
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuUs } from '../cpu.mjs'
import { Load } from './load.mjs'
import { startServers } from './servers.mjs'

const MAX_WARM_UP_MS = 60_000
const POLL_MS = 100
const MAX_IDLE_SHARE = 0.25
const LOADED = ['instance-a', 'instance-b']
const IDLE = 'idle'

export async function measureThroughput(options) {
  const { rate, processes, faults } = await run({ ...options, names: LOADED, rate: 0 })
  const goal = options.engine.goals.throughput
  const goals = [correctness(faults)]
  if (goal) goals.push({ what: `≥ ${goal} messages/s`, figure: rate, isReached: rate >= goal })
  return { rows: rowsOf(processes), goals, notes: [`${Math.round(rate)} messages/s`, boundOf(processes), ...faults] }
}

export async function measureIdle(options) {
  const { idleRate } = options.engine.goals
  const wanted = options.rate > 0 ? options.rate : idleRate
  const { rate, processes, faults } = await run({ ...options, names: [...LOADED, IDLE], rate: wanted })
  const { usPerMessage, share } = processes.find(({ name }) => name === IDLE)
  const scaled = (usPerMessage * idleRate) / 1e6
  const goals = [
    correctness(faults),
    {
      what: `an idle instance takes ≤ ${MAX_IDLE_SHARE * 100} % of a core at ${idleRate} messages/s`,
      figure: 100 * scaled,
      isReached: scaled <= MAX_IDLE_SHARE,
    },
  ]
  const notes = [
    `${Math.round(rate)} of ${wanted} messages/s, at which the idle instance takes ${(100 * share).toFixed(1)} % of a core` +
      ` (scaled by its CPU time per message to ${idleRate}/s: ${(100 * scaled).toFixed(1)} %)`,
    ...faults,
  ]
  return { rows: rowsOf(processes), goals, notes }
}

/** @returns what each process took per message between the two samples. */
async function run({ journal, names, rate, seconds, warmUpMessages, size, publishers, cli, profiles }) {
  const servers = await startServers({ names, url: journal.url, cli, profiles })
  const load = await Load.open(
    servers.filter(({ name }) => LOADED.includes(name)),
    { publishers, size },
  )
  const broker = journal.pid === undefined ? [] : [{ name: 'broker', pid: journal.pid }]
  const watched = [...servers, ...broker, ...load.processes]
  try {
    await load.start(rate)
    await warmUp(load, warmUpMessages)
    const before = await sample(load, watched)
    await sleep(seconds * 1000)
    const after = await sample(load, watched)
    const { faults } = await load.finish()
    return { ...difference(before, after, watched), faults }
  } finally {
    load.end()
    for (const server of servers) await server.stop()
  }
}

/** Not measured: programs become faster while they warm up, which takes so many messages, however slow the machine is. */
async function warmUp(load, messages) {
  const endMs = performance.now() + MAX_WARM_UP_MS
  const isWarm = async () => (await load.sample()).every(({ delivered }) => delivered >= messages)
  while (!(await isWarm()) && performance.now() < endMs) await sleep(POLL_MS)
}

async function sample(load, watched) {
  const cpu = watched.map(({ pid }) => cpuUs(pid))
  return { cpu, atMs: performance.now(), loaders: await load.sample() }
}

function difference(before, after, watched) {
  // Each subscriber receives everything: the slowest one counts.
  const delivered = after.loaders.map((each, index) => each.delivered - before.loaders[index].delivered)
  const messages = Math.min(...delivered)
  const us = (after.atMs - before.atMs) * 1000
  const processes = watched.map(({ name }, index) => {
    const cpu = after.cpu[index] - before.cpu[index]
    return { name, share: cpu / us, usPerMessage: cpu / messages }
  })
  return { rate: (messages * 1e6) / us, processes }
}

const correctness = (faults) => ({
  what: 'each message once and in order: faults',
  figure: faults.length,
  isReached: faults.length === 0,
  isCorrectness: true,
})

const rowsOf = (processes) =>
  Object.fromEntries(
    processes.map(({ name, share, usPerMessage }) => [
      name,
      { '% of a core': (100 * share).toFixed(0), 'µs CPU per message': usPerMessage.toFixed(1) },
    ]),
  )

/** The highest rate that the CPU allows: of the machine, and of the busiest process with a core for itself. */
function boundOf(processes) {
  const cores = availableParallelism()
  const total = processes.reduce((sum, { usPerMessage }) => sum + usPerMessage, 0)
  const used = processes.reduce((sum, { share }) => sum + share, 0)
  const [most] = processes.toSorted((one, other) => other.usPerMessage - one.usPerMessage)
  return (
    `all processes together took ${used.toFixed(2)} of ${cores} cores and ${total.toFixed(1)} µs per message: ` +
    `${cores} cores carry at most ${Math.round((cores * 1e6) / total)} messages/s; ` +
    `the busiest process is ${most.name}, which with a core for itself would carry ${Math.round(1e6 / most.usPerMessage)}`
  )
}
