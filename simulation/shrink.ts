/**
 * Looks for a shorter plan with a violation of the same kind: removes steps, clients and instances, as long as the violation
 * stays.
 */
import { judge } from './judge.js'
import type { Plan, Step } from './plan.js'

/** The limit of runs of a search. */
const MAX_RUNS = 400

type Fails = (plan: Plan) => Promise<boolean>

/** @param kind The kind of the violation to keep. */
export async function shrink(plan: Plan, kind: string): Promise<Plan> {
  let runs = 0
  const fails: Fails = async (candidate) => {
    if (++runs > MAX_RUNS) return false
    const { violations } = await judge(candidate)
    return violations.some((violation) => violation.kind === kind)
  }
  let shortest = await withoutSteps(plan, fails)
  shortest = await withoutClients(shortest, fails)
  shortest = await withoutInstances(shortest, fails)
  return withoutSteps(shortest, fails)
}

/** Removes halves, then quarters, and so on down to single steps. */
async function withoutSteps(plan: Plan, fails: Fails): Promise<Plan> {
  let shortest = plan
  for (let size = Math.ceil(plan.steps.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let from = 0; from < shortest.steps.length;) {
      const steps = shortest.steps.filter((_, index) => index < from || index >= from + size)
      const candidate = { ...shortest, steps, lengthMs: lengthOf(steps) }
      if (await fails(candidate)) shortest = candidate
      else from += size
    }
  }
  return shortest
}

/** The run ends a moment after its last step. */
const lengthOf = (steps: readonly Step[]): number => (steps.at(-1)?.atMs ?? 0) + 1

async function withoutClients(plan: Plan, fails: Fails): Promise<Plan> {
  let shortest = plan
  for (const { name } of plan.clients) {
    const isOf = (step: Step): boolean =>
      ('client' in step && step.client === name) || (step.kind === 'direct' && step.to === name)
    const candidate = {
      ...shortest,
      clients: shortest.clients.filter((client) => client.name !== name),
      steps: shortest.steps.filter((step) => !isOf(step)),
    }
    if (await fails(candidate)) shortest = candidate
  }
  return shortest
}

async function withoutInstances(plan: Plan, fails: Fails): Promise<Plan> {
  let shortest = plan
  // What the checker expects depends on whether there is one instance or several.
  for (const { name } of plan.instances.slice(2)) {
    const instances = shortest.instances.filter((instance) => instance.name !== name)
    const candidate = {
      ...shortest,
      instances,
      terms: { ...shortest.terms, instances: instances.length },
      steps: shortest.steps.filter((step) => !('instance' in step && step.instance === name)),
    }
    if (await fails(candidate)) shortest = candidate
  }
  return shortest
}
