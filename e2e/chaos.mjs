#!/usr/bin/env node
/**
 * Chaos: clients that talk through a network that fails, to servers that are killed; and then the whole history is checked
 * for what lastcall promises: nothing lost, nothing twice, one order, and no pretending. A seed stands for
 * what happens; its timing is the machine's.
 *
 *   npm run chaos -- [--seed 1] [--seeds 1] [--seconds 10]     so many runs, with the seeds that follow one another
 *   npm run chaos -- --journal redis [--seeds 100]            three servers over Redis, or rabbit: RabbitMQ
 *   npm run chaos -- --minutes 60 [--seed 1]                   runs until the time is over
 *   npm run chaos -- --break dedup [--seeds 10]                with a defect built in, which must be found
 *   npm run chaos -- --check FILE                              judges a history that was kept
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { breakServer, DEFECTS } from './chaos/broken-server.mjs'
import { check } from './chaos/checker.js'
import { parseHistoryFile } from './chaos/history-events.js'
import { endBrokers, JOURNALS } from './chaos/journals.mjs'
import { planOf, summaryOf } from './chaos/plan.mjs'
import { Random } from './chaos/random.js'
import { runRound } from './chaos/round.mjs'
import { COMMAND } from '../scripts/repository.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    seeds: { type: 'string' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    journal: { type: 'string', default: 'file' },
    break: { type: 'string' },
    check: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})

/** Examples of each kind. */
const SHOWN = 3

function byKind(violations) {
  const kinds = new Map()
  for (const violation of violations) kinds.set(violation.kind, [...(kinds.get(violation.kind) ?? []), violation])
  return kinds
}

function show(violations) {
  for (const [kind, all] of byKind(violations)) {
    for (const { text } of all.slice(0, SHOWN)) console.log(`  ${kind}: ${text}`)
    if (all.length > SHOWN) console.log(`  ${kind}: … and ${all.length - SHOWN} more`)
  }
}

function inWords({ published, told, connections, resumed, outOfReach, tooSlow, takenOver, replays, ...rest }) {
  const { faults, killed, stopped, ...disasters } = rest
  return [
    `${published} published, ${told} told, ${connections} connections`,
    `${resumed} resumed, ${outOfReach} out of reach, ${tooSlow} too slow`,
    `${takenOver} taken over, ${replays} replays`,
    `${faults} faults, ${killed} kills, ${stopped} stops`,
    ...Object.entries(disasters).map(([name, count]) => `${count} × ${name}`),
  ].join(', ')
}

/** The figures of all runs together. */
function total(runs) {
  const all = {}
  for (const { figures } of runs) {
    for (const [name, number] of Object.entries(figures)) all[name] = (all[name] ?? 0) + number
  }
  return all
}

async function runSeed(seed, { seconds, cli }) {
  const heading = `seed ${seed}: ${summaryOf(planOf(new Random(seed).fork('plan'), values.journal))}`
  if (!process.stderr.isTTY) console.log(heading)
  const onProgress = (figures) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${heading} | ${inWords(figures)}`)
  }
  const run = await runRound({ seed, seconds, cli, journal: values.journal, onProgress })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  const violations = check(run)
  if (process.stderr.isTTY) console.log(heading)
  console.log(`  ${inWords(run.figures)}: ${violations.length === 0 ? 'kept' : `${violations.length} VIOLATIONS`}`)
  show(violations)
  if ((violations.length > 0 && values.break === undefined) || values.keep) {
    const file = join(tmpdir(), `lastcall-chaos-${seed}.json`)
    writeFileSync(file, JSON.stringify({ terms: run.terms, events: run.events, logs: run.logs }))
    console.log(`  its history: ${file}`)
  }
  return { seed, figures: run.figures, violations }
}

async function main() {
  if (values.check !== undefined) {
    const violations = check(parseHistoryFile(readFileSync(values.check, 'utf8')))
    console.log(`${violations.length} violations`)
    show(violations)
    return violations.length === 0
  }
  if (!JOURNALS.includes(values.journal)) throw new Error(`--journal is one of ${JOURNALS.join(', ')}`)
  if (values.break !== undefined && !Object.hasOwn(DEFECTS, values.break)) {
    throw new Error(`--break is one of ${Object.keys(DEFECTS).join(', ')}`)
  }
  const broken = values.break === undefined ? undefined : breakServer(values.break)
  const cli = broken?.cli ?? COMMAND
  const until = values.minutes === undefined ? Infinity : performance.now() + Number(values.minutes) * 60_000
  const count = values.minutes === undefined ? Number(values.seeds ?? (broken ? 10 : 1)) : Infinity
  const seconds = Number(values.seconds ?? (values.minutes === undefined ? 10 : 30))
  const runs = []
  try {
    for (let index = 0; index < count && performance.now() < until; index++) {
      const run = await runSeed(Number(values.seed) + index, { seconds, cli })
      runs.push(run)
      if (broken && run.violations.length > 0) break
    }
  } finally {
    broken?.remove()
    await endBrokers()
  }
  const failed = runs.filter(({ violations }) => violations.length > 0)
  console.log(`${runs.length} seeds: ${inWords(total(runs))}`)
  if (broken) {
    console.log(`the defect ${values.break} was ${failed.length > 0 ? '' : 'NOT '}found`)
    return failed.length > 0
  }
  console.log(
    failed.length === 0 ? 'no violation' : `violations with the seeds ${failed.map(({ seed }) => seed).join()}`,
  )
  return failed.length === 0
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
// Left alone, Node 20 now and then does not find its end after sockets were reset: it waits for a handle that is gone.
process.exit((await main()) ? 0 : 1)
