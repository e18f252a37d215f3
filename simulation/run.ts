/**
 * One run of a plan: instances, journal, network and clients in one process on virtual time. At its end all faults are over,
 * every client is waited for, and the history is complete.
 */
import { Random } from '#e2e/chaos/random.js'
import { Application } from './application.js'
import { SimulatedHistory, type JudgedHistory } from './history.js'
import { Instance } from './instance.js'
import { JournalServer } from './journal.js'
import type { Plan, Step } from './plan.js'
import { Scheduler } from './scheduler.js'
import { TokenDesk } from './tokens.js'

/** The time limit for the recovery of the clients, in milliseconds of virtual time. */
const HEAL_TIMEOUT_MS = 60_000
const LOOK_EVERY_MS = 50

export class Run {
  readonly #plan: Plan
  readonly #scheduler = new Scheduler()
  readonly #history = new SimulatedHistory(this.#scheduler)
  readonly #journal: JournalServer
  readonly #instances: Map<string, Instance>
  readonly #clients = new Map<string, Application>()
  readonly #random: Random
  #builds = 1

  constructor(plan: Plan) {
    this.#plan = plan
    const random = (this.#random = new Random(`run ${plan.seed}`))
    const shared = { scheduler: this.#scheduler, history: this.#history }
    const journal = new JournalServer(this.#scheduler, random.fork('journal'), plan.journal, this.#history)
    this.#journal = journal
    const tokens = plan.hasTokens ? new TokenDesk(random.fork('tokens')) : undefined
    this.#instances = new Map(
      plan.instances.map(({ name }) => {
        const own = random.fork(name)
        return [name, new Instance({ ...shared, name, config: plan.config, random: own, journal, tokens })]
      }),
    )
  }

  /** Records an uncaught error. */
  fault(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#history.record({ type: 'server', instance: 'unknown', what: 'fault', text })
  }

  async run(): Promise<JudgedHistory> {
    const { lengthMs, steps, terms } = this.#plan
    const scheduler = this.#scheduler
    for (const instance of this.#instances.values()) instance.start(this.#build)
    await scheduler.runUntil(HEAL_TIMEOUT_MS, () => [...this.#instances.values()].every(({ listener }) => listener))
    const beginMs = scheduler.nowMs
    this.#startClients()
    for (const step of steps) scheduler.after(step.atMs, () => this.#do(step))
    await scheduler.runUntil(beginMs + lengthMs)
    await this.#heal()
    const events = this.#history.events.slice()
    for (const client of this.#clients.values()) client.stop()
    for (const instance of this.#instances.values()) instance.kill()
    return { terms, events }
  }

  get #build(): string {
    return String(this.#builds)
  }

  #startClients(): void {
    const { clients, line, hasTokens } = this.#plan
    const instances = [...this.#instances.values()]
    for (const { name, channels } of clients) {
      const random = this.#random.fork(name)
      const network = { scheduler: this.#scheduler, random: random.fork('line'), instances, pace: line }
      this.#clients.set(
        name,
        new Application({ name, channels, network, history: this.#history, random, hasToken: hasTokens }),
      )
    }
  }

  #do(step: Step): void {
    const client = 'client' in step ? this.#clients.get(step.client) : undefined
    const instance = 'instance' in step ? this.#instances.get(step.instance) : undefined
    switch (step.kind) {
      case 'publish':
        return client?.publish({ channel: step.channel }, step.size)
      case 'direct':
        return client?.publish({ to: step.to }, step.size)
      case 'join':
        return client?.join(step.channel)
      case 'part':
        return client?.part(step.channel)
      case 'cut':
        return client?.cut(step.how)
      case 'stall':
        return client?.stall(step.ms)
      case 'stopReading':
        return client?.stopReading(step.ms)
      case 'kill':
        instance?.kill()
        return void this.#scheduler.after(step.ms, () => instance?.start(this.#build))
      case 'stop':
        return this.#replace(instance, step.ms)
      case 'breakLine':
        return instance?.breakLine(step.ms)
      case 'losePower':
        return this.#journal.isUp ? this.#journal.losePower(step.ms) : undefined
      case 'goBack':
        return this.#journal.goBack(Math.max(0, this.#journal.log.length - step.lost))
    }
  }

  /** A deploy: the next start has another build. */
  #replace(instance: Instance | undefined, afterMs: number): void {
    instance?.stop(() => {
      this.#builds++
      this.#scheduler.after(afterMs, () => instance.start(this.#build))
    })
  }

  async #heal(): Promise<void> {
    const scheduler = this.#scheduler
    const deadlineMs = scheduler.nowMs + HEAL_TIMEOUT_MS
    let rounds = 0
    for (;;) {
      await scheduler.runUntil(scheduler.nowMs + LOOK_EVERY_MS)
      const isReady = this.#journal.isUp && [...this.#instances.values()].every(({ listener }) => listener)
      const open = [...this.#clients.values()].filter(({ isDone }) => !isDone)
      if (isReady && open.length === 0 && ++rounds === 3) return
      // A last message of each: the clients have received everything up to there when it is answered.
      if (isReady && open.length === 0) for (const each of this.#clients.values()) each.publish({ channel: 'lobby' }, 1)
      if (scheduler.nowMs < deadlineMs) continue
      const texts = open.map(({ report }) => report)
      this.#history.record({ type: 'stuck', text: texts.join('; ') || 'an instance does not listen' })
      return
    }
  }
}
