/**
 * A process that runs seeds: the main process sends tasks, and this one answers each.
 */
import type { Violation } from '#e2e/chaos/checker/report.js'
import type { JudgedHistory } from './history.js'
import { judge } from './judge.js'
import { planOf, type Plan } from './plan.js'
import { shrink } from './shrink.js'

export type Task =
  /** Run these seeds, and stop at the first violation. */
  | { readonly kind: 'run'; readonly from: number; readonly count: number }
  /** Find the shortest plan for the first violation of this seed. */
  | { readonly kind: 'shrink'; readonly seed: number }

export type Answer =
  | { readonly kind: 'ran'; readonly seeds: number; readonly events: number; readonly failed: Failed | undefined }
  | { readonly kind: 'shrunk'; readonly shortest: Failed & { readonly plan: Plan; readonly history: JudgedHistory } }

export interface Failed {
  readonly seed: number
  readonly violations: readonly Violation[]
}

async function answerTo(task: Task): Promise<Answer> {
  if (task.kind === 'run') return run(task.from, task.count)
  const { seed } = task
  const plan = planOf(seed)
  const { violations } = await judge(plan)
  const [first] = violations
  const shortest = first ? await shrink(plan, first.kind) : plan
  return { kind: 'shrunk', shortest: { seed, plan: shortest, ...(await judge(shortest)) } }
}

async function run(from: number, count: number): Promise<Answer> {
  let events = 0
  for (let seed = from; seed < from + count; seed++) {
    const { history, violations } = await judge(planOf(seed))
    events += history.events.length
    if (violations.length > 0) return { kind: 'ran', seeds: seed - from + 1, events, failed: { seed, violations } }
  }
  return { kind: 'ran', seeds: count, events, failed: undefined }
}

process.on('message', (task: Task) => {
  void answerTo(task).then((answer) => process.send?.(answer))
})
