/**
 * The processes that run the seeds of a simulation, one per core, and the progress that they make.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Defect } from './defects.js'
import type { Answer, Failed, Task } from './worker.js'

/** The number of seeds of one task. */
const SEEDS_A_TASK = 20
const PROGRESS_EVERY_MS = 1000

export interface Summary {
  readonly seeds: number
  readonly events: number
  readonly seconds: number
  /** The lowest seed with a violation. */
  readonly failed: Failed | undefined
}

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

export class WorkerPool {
  readonly #workers: readonly ChildProcess[]

  constructor(jobs: number, defect: Defect | undefined) {
    const options =
      defect === undefined
        ? {}
        : {
            execArgv: ['--import', new URL('break.js', import.meta.url).href],
            env: { ...process.env, SIMULATED_DEFECT: defect },
          }
    this.#workers = Array.from({ length: jobs }, () => fork(pathOf('worker.js'), options))
  }

  async run(from: number, count: number): Promise<Summary> {
    const beginMs = performance.now()
    let next = from
    let seeds = 0
    let events = 0
    const failures: Failed[] = []
    const secondsSoFar = (): number => Math.round((performance.now() - beginMs) / 100) / 10
    const progress = setInterval(() => {
      process.stderr.write(`${seeds} of ${count} seeds, ${events} events, ${secondsSoFar()} s\n`)
    }, PROGRESS_EVERY_MS)
    const work = async (worker: ChildProcess): Promise<void> => {
      while (next < from + count && failures.length === 0) {
        const task: Task = { kind: 'run', from: next, count: Math.min(SEEDS_A_TASK, from + count - next) }
        next += task.count
        const answer = await ask(worker, task)
        if (answer.kind !== 'ran') continue
        seeds += answer.seeds
        events += answer.events
        if (answer.failed) failures.push(answer.failed)
      }
    }
    try {
      await Promise.all(this.#workers.map(work))
    } finally {
      clearInterval(progress)
    }
    const [failed] = failures.sort((a, b) => a.seed - b.seed)
    return { seeds, events, seconds: secondsSoFar(), failed }
  }

  async shrink(seed: number): Promise<Extract<Answer, { kind: 'shrunk' }>['shortest']> {
    const [worker] = this.#workers
    const answer = worker && (await ask(worker, { kind: 'shrink', seed }))
    if (answer?.kind !== 'shrunk') throw new Error('the worker gave no answer')
    return answer.shortest
  }

  end(): void {
    for (const worker of this.#workers) worker.disconnect()
  }
}

/** @throws {Error} The process has ended without an answer. */
async function ask(worker: ChildProcess, task: Task): Promise<Answer> {
  const over = new AbortController()
  const ended = once(worker, 'exit', { signal: over.signal }).then(([code]) => {
    throw new Error(`a worker ended with ${String(code)}`)
  })
  worker.send(task)
  try {
    const [answer] = (await Promise.race([once(worker, 'message', { signal: over.signal }), ended])) as [Answer]
    return answer
  } finally {
    over.abort()
    ended.catch(() => undefined)
  }
}
