#!/usr/bin/env node
/**
 * A deploy under load: a crowd talks, every process of the old build is replaced by one of a new build, and nobody may
 * notice. The whole history is checked as in the chaos; beside that who moved, how often, and what took how long.
 *
 *   npm run rollout -- [--how rolling]    two instances behind a real HAProxy on one file journal, replaced one by one
 *   npm run rollout -- --how reload       WORKERS=2, replaced by SIGHUP
 *   npm run rollout -- --journal redis    three instances behind HAProxy over Redis, or rabbit: RabbitMQ
 *
 *   [--libraries 400] [--plain 100] [--rate 200] [--seed 1] [--spread 8] [--before 10]
 *   [--untimed]        how long messages take is told, but not judged: for a machine that does other things, too
 *   [--keep FILE]      keeps the history
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { check } from './chaos/checker.js'
import { History, monotonicMs } from './chaos/history.js'
import { Instance } from './chaos/instance.js'
import { endBrokers, JOURNALS, startBroker } from './chaos/journals.js'
import { readJournal } from './chaos/reader.js'
import { Crowds } from './rollout/crowds.mjs'
import { HaProxy } from './rollout/haproxy.js'
import { judge, PROBE } from './rollout/verdict.js'
import { freePorts } from '../packages/server/test/support/free-port.js'
import { COMMAND } from '../scripts/repository.js'

const { values } = parseArgs({
  options: {
    how: { type: 'string', default: 'rolling' },
    journal: { type: 'string', default: 'file' },
    libraries: { type: 'string', default: '400' },
    plain: { type: 'string', default: '100' },
    rate: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    spread: { type: 'string', default: '8' },
    before: { type: 'string', default: '10' },
    untimed: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
})

const AFTER_MS = 2000

/** Processes that make the load. */
const LOADERS = 2
/** The servers in HAProxy's configuration. One more than there are instances at a time. */
const SLOTS = ['a', 'b', 'c', 'd']
/** Clients that measure, and what they say in a second. */
const PROBES = 20

/** What both ways have in common: a deploy that is over in a good half minute. */
const ENV = {
  BROADCAST_INTERVAL: '0',
  MAX_MESSAGES_PER_MINUTE: '0',
  LOG_LEVEL: 'info',
  SESSION_SECRET: 'a secret of the rollout, which is no secret at all',
  SHUTDOWN_MODE: 'migrate',
  SHUTDOWN_SPREAD: values.spread,
  SHUTDOWN_TIMEOUT: String(2 * Number(values.spread) + 10),
}

/** A way to serve, and to replace what serves. `replace` resolves with the reports of those that have ended. */
const WAYS = { rolling, reload }

async function rolling({ folder, history, broker }) {
  const [port, ...ports] = await freePorts(1 + SLOTS.length)
  const proxy = new HaProxy({ folder, port, servers: ports })
  const start = async (slot, build) => {
    const env = {
      ...ENV,
      ...JOURNAL(folder, broker),
      PORT: String(ports[SLOTS.indexOf(slot)]),
      BUILD: build,
      REJECT_WITH: 'http',
      SHUTDOWN_DELAY: '4',
    }
    const instance = new Instance({ name: `${build} ${slot}`, cli: COMMAND, env, history })
    await instance.logged('listening')
    return { slot, instance }
  }
  const instances = []
  const used = SLOTS.slice(0, broker ? 3 : 2)
  for (const slot of used) instances.push(await start(slot, 'old'))
  const free = SLOTS.slice(used.length)
  for (const slot of free) await proxy.sees(slot, 'DOWN')
  for (const slot of used) await proxy.sees(slot, 'UP')
  return {
    port,
    async replace() {
      const reports = []
      for (const slot of [...used]) {
        const next = free.shift()
        await proxy.sees(next, 'DOWN')
        instances.push(await start(next, 'new'))
        await proxy.sees(next, 'UP')
        reports.push(await stopped(instances.shift().instance, history))
        free.push(slot)
      }
      return reports
    },
    async stop() {
      await Promise.all(instances.map(({ instance }) => instance.stop()))
      await proxy.stop()
      return placed(proxy)
    },
    destroy: () => {
      for (const { instance } of instances) instance.kill('SIGKILL')
    },
  }
}

/** Requests for a WebSocket, as HAProxy logged them: by the status they were answered with in the end. */
function placed(proxy) {
  const statuses = {}
  for (const line of proxy.lines) {
    const status = /\] lastcall\/\S+ (\d{3}|-1) .*\/ws/.exec(line)?.[1]
    if (status) statuses[status] = (statuses[status] ?? 0) + 1
  }
  return statuses
}

async function reload({ folder, history, broker }) {
  const [port] = await freePorts(1)
  const variables = join(folder, 'variables')
  const setBuild = (build) => writeFileSync(variables, `BUILD=${build}\n`)
  setBuild('old')
  const env = { ...ENV, ...JOURNAL(folder, broker), PORT: String(port), WORKERS: '2', ENV_FILE: variables }
  const primary = new Instance({ name: 'primary', cli: COMMAND, env, history })
  await primary.logged('listening')
  return {
    port,
    async replace() {
      setBuild('new')
      primary.kill('SIGHUP')
      return [await primary.logged('shutdown.report')]
    },
    async stop() {
      await primary.stop()
    },
    destroy: () => primary.kill('SIGKILL'),
  }
}

const JOURNAL = (folder, broker) => ({
  JOURNAL_URL: broker ? broker.urlBy(broker.port) : `file:${join(folder, 'journal')}`,
  HISTORY_SIZE: '1000000',
  HISTORY_BYTES: String(2 ** 28),
})

async function stopped(instance, history) {
  const { code, report } = await instance.stop()
  if (code !== 0) history.record({ type: 'server', instance: 'an old one', what: 'fault', text: `ended with ${code}` })
  return report
}

const say = (text) => console.log(`${(performance.now() / 1000).toFixed(1).padStart(6)} s  ${text}`)

/** Who makes the load, and a few who measure. */
function partsOf({ libraries, plain, rate }) {
  const share = (total, index) => Math.floor((total + index) / LOADERS)
  const loaders = Array.from({ length: LOADERS }, (_, index) => ({
    name: `load${index + 1}`,
    libraries: share(libraries - PROBES, index),
    plain: share(plain, index),
    perSecond: share(rate - PROBES, index),
  }))
  return [{ name: PROBE, libraries: PROBES, plain: 0, perSecond: PROBES }, ...loaders]
}

async function main() {
  const way = WAYS[values.how]
  if (!way) throw new Error(`--how is one of ${Object.keys(WAYS).join(', ')}`)
  if (!JOURNALS.includes(values.journal)) throw new Error(`--journal is one of ${JOURNALS.join(', ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-rollout-'))
  const broker = await startBroker(values.journal)
  const startMs = monotonicMs()
  const history = new History(startMs)
  history.record({ type: 'begin', wallMs: Date.now() })
  const served = await way({ folder, history, broker })
  const [libraries, plain, rate] = [values.libraries, values.plain, values.rate].map(Number)
  const crowds = new Crowds({
    folder,
    parts: partsOf({ libraries, plain, rate }),
    endpoint: `ws://127.0.0.1:${served.port}/ws`,
    seed: Number(values.seed),
    startMs,
  })
  const cleanUp = () => {
    crowds.destroy()
    served.destroy()
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', cleanUp)
  const rooms = await crowds.gather()
  say(`${libraries + plain} clients are in`)
  await crowds.talk()
  await sleep(Number(values.before) * 1000)
  say('the deploy begins')
  const deployAt = history.now()
  const reports = await served.replace()
  const doneAt = history.now()
  say('the deploy is over')
  await sleep(AFTER_MS)
  await crowds.settle()
  say('everybody has heard everything')
  const told = await crowds.end()
  const terms = { historySize: 1_000_000, historyTtlMs: 300_000, instances: 3, presence: true, complete: true }
  const reader = new History(startMs)
  await readJournal({
    port: served.port,
    channels: new Set(rooms),
    terms,
    history: reader,
    head: headOf(told),
    first:
      told.reduce((least, { type, offset }) => (type === 'message' ? Math.min(least, offset) : least), Infinity) - 1,
    token: undefined,
  })
  const statuses = await served.stop()
  await broker?.dispose()
  await endBrokers()

  const events = [history.events, told, reader.events].flat().sort((a, b) => a.at - b.at)
  if (values.keep !== undefined)
    writeFileSync(values.keep, JSON.stringify({ terms, events, deployAt, doneAt, reports }))
  const violations = check({ terms, events }).map(({ kind, text }) => `${kind}: ${text}`)
  const { faults, figures } = judge({ events, deployAt, doneAt, reports, isTimed: !values.untimed })
  console.log(JSON.stringify({ ...figures, ...(statuses && { statuses }) }, undefined, 1))
  for (const report of reports) console.log(JSON.stringify(report))
  const all = [...violations, ...faults]
  for (const text of all.slice(0, 20)) console.log(`  ${text}`)
  console.log(all.length === 0 ? 'nobody noticed' : `${all.length} faults`)
  return all.length === 0
}

/** How far the newest journal was told. */
function headOf(events) {
  const { cursor = '' } = events.findLast(({ type }) => type === 'welcome') ?? {}
  return { epoch: cursor.split(':')[0], offset: events.reduce((most, { offset = 0 }) => Math.max(most, offset), 0) }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.exit((await main()) ? 0 : 1)
