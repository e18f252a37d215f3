#!/usr/bin/env node
/**
 * Simulation: the real server and the real client on virtual time, with faults. A seed is a run, byte for byte.
 *
 *   npm run simulate -- [--seed 1] [--count 1000] [--jobs 2]     so many seeds that follow one another
 *   npm run simulate -- --break dedup [--count 1000]             with a defect (defects.ts), which must be found
 *   npm run simulate -- --seed 7 --history FILE                  writes the history of one seed
 */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DEFECTS, isDefect } from './defects.js'
import { judge } from './judge.js'
import { planOf, type Step } from './plan.js'
import { WorkerPool } from './worker-pool.js'
import type { Failed } from './worker.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    jobs: { type: 'string', default: '2' },
    break: { type: 'string' },
    history: { type: 'string' },
  },
})

/** Examples of violations. */
const SHOWN = 5

function show({ seed, violations }: Failed): void {
  console.log(`seed ${seed}: ${violations.length} VIOLATIONS`)
  for (const { kind, text } of violations.slice(0, SHOWN)) console.log(`  ${kind}: ${text}`)
}

const inWords = ({ atMs, kind, ...rest }: Step): string =>
  `  ${Math.round(atMs)} ms: ${kind} ${Object.entries(rest)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ')}`

async function writeHistory(seed: number, file: string): Promise<boolean> {
  const { history, violations } = await judge(planOf(seed))
  writeFileSync(file, JSON.stringify(history))
  console.log(`seed ${seed}: ${history.events.length} events, ${violations.length} violations: ${file}`)
  return violations.length === 0
}

async function explain(pool: WorkerPool, failed: Failed): Promise<void> {
  show(failed)
  console.log('looking for the shortest history …')
  const { plan, history, violations } = await pool.shrink(failed.seed)
  const file = join(tmpdir(), `lastcall-simulation-${failed.seed}.json`)
  writeFileSync(file, JSON.stringify(history, undefined, 1))
  const { instances, clients, steps } = plan
  console.log(`the shortest: ${instances.length} instances, ${clients.length} clients, ${steps.length} steps`)
  for (const step of steps) console.log(inWords(step))
  for (const { kind, text } of violations.slice(0, SHOWN)) console.log(`  ${kind}: ${text}`)
  console.log(`its history, ${history.events.length} events: ${file}`)
}

async function main(): Promise<boolean> {
  const seed = Number(values.seed)
  if (values.history !== undefined) return writeHistory(seed, values.history)
  const defect = values.break
  if (defect !== undefined && !isDefect(defect)) {
    throw new Error(`--break is one of ${Object.keys(DEFECTS).join(', ')}`)
  }
  const pool = new WorkerPool(Number(values.jobs), defect)
  try {
    const { seeds, events, failed, seconds } = await pool.run(seed, Number(values.count))
    console.log(`${seeds} seeds, ${events} events in ${seconds} s: ${failed ? 'a violation' : 'no violation'}`)
    if (failed) await explain(pool, failed)
    if (defect === undefined) return failed === undefined
    console.log(`the defect ${defect} was ${failed ? '' : 'NOT '}found`)
    return failed !== undefined
  } finally {
    pool.end()
  }
}

process.exitCode = (await main()) ? 0 : 1
