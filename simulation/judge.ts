/**
 * Runs a plan and judges its history by the checker of the chaos.
 */
import { check } from '#e2e/chaos/checker.js'
import type { Violation } from '#e2e/chaos/checker/report.js'
import type { JudgedHistory } from './history.js'
import type { Plan } from './plan.js'
import { Run } from './run.js'

export interface Outcome {
  readonly history: JudgedHistory
  readonly violations: readonly Violation[]
}

export async function judge(plan: Plan): Promise<Outcome> {
  const run = new Run(plan)
  const onUncaught = (error: unknown): void => run.fault(error)
  process.on('uncaughtException', onUncaught)
  try {
    const history = await run.run()
    return { history, violations: check(history) }
  } finally {
    process.off('uncaughtException', onUncaught)
  }
}
