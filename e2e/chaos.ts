#!/usr/bin/env node
/**
 * Chaos: clients publish through a network that fails, to servers that are killed. Then the checker judges the complete history by
 * the promises of lastcall: no message is lost or delivered twice, there is one order, and `recovered` is true. A seed
 * determines the faults; the machine determines their timing.
 *
 *   npm run chaos -- [--seed 1] [--seeds 1] [--seconds 10]     this number of runs, with consecutive seeds
 *   npm run chaos -- --journal redis [--seeds 100]            three servers over Redis, or rabbit: RabbitMQ
 *   npm run chaos -- --minutes 60 [--seed 1]                   runs until the time is over
 *   npm run chaos -- --break dedup [--seeds 10]                with a defect, which the checker must find
 *   npm run chaos -- --check FILE                              judges a stored history
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { COMMAND } from '../scripts/repository.js'
import { breakServer, DEFECTS, isDefect } from './chaos/broken-server.js'
import { check } from './chaos/checker.js'
import type { Violation } from './chaos/checker/report.js'
import { inWords, type Figures } from './chaos/figures.js'
import { parseHistoryFile } from './chaos/history-events.js'
import { endBrokers, isJournalKind, JOURNALS, type JournalKind } from './chaos/journals.js'
import { planOf, summaryOf } from './chaos/plan.js'
import { Random } from './chaos/random.js'
import { runRound } from './chaos/round.js'

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

function byKind(violations: readonly Violation[]): ReadonlyMap<string, readonly Violation[]> {
  const kinds = new Map<string, Violation[]>()
  for (const violation of violations) kinds.set(violation.kind, [...(kinds.get(violation.kind) ?? []), violation])
  return kinds
}

function show(violations: readonly Violation[]): void {
  for (const [kind, all] of byKind(violations)) {
    for (const { text } of all.slice(0, SHOWN)) console.log(`  ${kind}: ${text}`)
    if (all.length > SHOWN) console.log(`  ${kind}: … and ${all.length - SHOWN} more`)
  }
}

/** The figures of all runs together. */
function total(runs: readonly SeedRun[]): Figures {
  const all: Record<string, number> = {}
  for (const { figures } of runs) {
    for (const [name, number] of Object.entries(figures)) all[name] = (all[name] ?? 0) + number
  }
  return all
}

interface SeedRun {
  readonly seed: number
  readonly figures: Figures
  readonly violations: readonly Violation[]
}

interface SeedOptions {
  readonly journal: JournalKind
  readonly seconds: number
  /** The server's command. */
  readonly cli: string
}

async function runSeed(seed: number, { journal, seconds, cli }: SeedOptions): Promise<SeedRun> {
  const heading = `seed ${seed}: ${summaryOf(planOf(new Random(seed).fork('plan'), journal))}`
  if (!process.stderr.isTTY) console.log(heading)
  const onProgress = (figures: Figures): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${heading} | ${inWords(figures)}`)
  }
  const run = await runRound({ seed, seconds, cli, journal, onProgress })
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

async function main(): Promise<boolean> {
  if (values.check !== undefined) {
    const violations = check(parseHistoryFile(readFileSync(values.check, 'utf8')))
    console.log(`${violations.length} violations`)
    show(violations)
    return violations.length === 0
  }
  const { journal, break: defect } = values
  if (!isJournalKind(journal)) throw new Error(`--journal is one of ${JOURNALS.join(', ')}`)
  if (defect !== undefined && !isDefect(defect)) {
    throw new Error(`--break is one of ${Object.keys(DEFECTS).join(', ')}`)
  }
  const broken = defect === undefined ? undefined : breakServer(defect)
  const cli = broken?.cli ?? COMMAND
  const until = values.minutes === undefined ? Infinity : performance.now() + Number(values.minutes) * 60_000
  const count = values.minutes === undefined ? Number(values.seeds ?? (broken ? 10 : 1)) : Infinity
  const seconds = Number(values.seconds ?? (values.minutes === undefined ? 10 : 30))
  const runs: SeedRun[] = []
  try {
    for (let index = 0; index < count && performance.now() < until; index++) {
      const run = await runSeed(Number(values.seed) + index, { journal, seconds, cli })
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
    console.log(`the defect ${defect} was ${failed.length > 0 ? '' : 'NOT '}found`)
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
