/**
 * Which workers exist. A generation starts, takes over when all its workers listen, and leaves when the next one has taken
 * over. This class decides when and why a worker is started, replaced, told to leave or told to hurry. It does not handle
 * processes, sockets or signals: time and the start of a process are passed in.
 *
 *     starting ──▶ serving ──▶ leaving ──▶ gone
 *         └── a worker could not start ──▶ leaving
 */
import type { Address } from '../http/listen.js'
import type { Logger } from '../observability/log.js'
import type { GenerationsOptions, Member } from './generations-options.js'
import type { ToWorker, WorkerIdentity } from './messages.js'
import { Replacements } from './replacements.js'
import type { WorkerExit, WorkerProcess } from './worker-process.js'

interface OwnMember<Process> extends WorkerIdentity {
  readonly process: Process
  /** The worker is ready to listen. */
  isPrepared: boolean
  isReady: boolean
  failure: string | undefined
  readonly startedAtMs: number
  stopWaiting: () => void
}

interface Generation<Process> {
  readonly id: number
  state: 'starting' | 'serving' | 'leaving'
  /** The number of workers that the generation needs. Known when the first one has read its configuration. */
  size: number
  hurried: boolean
  readonly members: Map<number, OwnMember<Process>>
  readonly replacements: Replacements
}

const START_TIMEOUT_MS = 60_000

/** The state of a generation: the first worker prepares, then all others prepare, then all listen. */
export const generationStartTimeoutMs = (startTimeoutMs = START_TIMEOUT_MS): number => 3 * startTimeoutMs

/** The number of generations that may drain at once; beyond it the primary tells the oldest one to hurry. */
const MAX_LEAVING = 3

export class Generations<Process extends WorkerProcess> {
  readonly #options: GenerationsOptions<Process>
  readonly #log: Logger
  #lastId = 0
  #starting: Generation<Process> | undefined
  #serving: Generation<Process> | undefined
  #leaving: Generation<Process>[] = []
  /** Whether another reload was requested while one runs. */
  #again = false
  #isShuttingDown = false
  #isOver = false

  constructor(options: GenerationsOptions<Process>) {
    this.#options = options
    this.#log = options.log
  }

  /** All workers that have a process, the oldest first. */
  *members(): Generator<Member<Process>> {
    for (const { members } of this.#all()) yield* members.values()
  }

  /** The id of the generation that serves; 0: none serves yet. */
  get serving(): number {
    return this.#serving?.id ?? 0
  }

  /** Starts the first generation. `reload` starts all others. */
  begin(): void {
    const generation: Generation<Process> = {
      id: ++this.#lastId,
      state: 'starting',
      size: 1,
      hurried: false,
      members: new Map(),
      replacements: new Replacements(this.#options),
    }
    this.#starting = generation
    this.#options.onStarting?.(generation.id)
    // The first worker starts alone: it reads the number of workers, and if it cannot start, the others could not either.
    this.#start(generation, 1)
  }

  /** Starts a generation that is to take over. While one starts, a further call makes exactly one more follow it. */
  reload(): void {
    if (this.#isOver) return
    if (this.#isShuttingDown) {
      this.#log.warn('reload.failed', 'a shutdown has started: the server does not reload')
    } else if (this.#starting) {
      this.#again = true
      this.#log.info('reload.started', { isQueued: true }, 'another reload follows the one that runs')
    } else {
      this.#log.info('reload.started', { generation: this.#lastId + 1 }, 'the primary starts new workers')
      this.begin()
    }
  }

  /** Sends the shutdown to all workers that serve, and kills those that do not listen yet. `onNobodyLeft` follows. */
  shutdown(message: ToWorker): void {
    this.#isShuttingDown = true
    this.#again = false
    if (this.#starting) this.#abandon(this.#starting, 'a shutdown began', message)
    if (this.#serving) {
      this.#serving.replacements.callOff()
      this.#tell(this.#serving, message)
    }
    this.#endIfNobodyLeft()
  }

  /** The shutdown was cancelled: replaces the workers that have ended meanwhile. */
  resume(): void {
    this.#isShuttingDown = false
    const generation = this.#serving
    if (!generation) return
    for (let number = 1; number <= generation.size; number++) {
      if (!generation.members.has(number)) this.#start(generation, number)
    }
  }

  /** Ends the waiting of all workers. */
  hurry(): void {
    for (const { process } of this.members()) process.send({ kind: 'hurry' })
  }

  /** Ends the waiting of the workers that leave because of a reload. */
  hurryLeaving(): void {
    for (const generation of this.#leaving) this.#hurry(generation)
  }

  /** The primary is about to end: from now on no worker is started. */
  end(): void {
    this.#isOver = true
    for (const { replacements } of this.#all()) replacements.callOff()
  }

  *#all(): Generator<Generation<Process>> {
    yield* this.#leaving
    if (this.#serving) yield this.#serving
    if (this.#starting) yield this.#starting
  }

  #start(generation: Generation<Process>, worker: number): void {
    if (this.#isOver) return
    const { clock } = this.#options
    const identity = { worker, generation: generation.id }
    const process = this.#options.start(identity, {
      onHello: (workers) => {
        if (generation.state === 'starting' && worker === 1) generation.size = workers
      },
      onWaiting: () => this.#waits(generation, member),
      onPrepared: () => this.#prepared(generation, member),
      onReady: (address) => this.#ready(generation, member, address),
      onFailed: (message) => (member.failure ??= message),
      onExit: (exit) => this.#exited(generation, member, exit),
    })
    const member: OwnMember<Process> = {
      ...identity,
      process,
      isPrepared: false,
      isReady: false,
      failure: undefined,
      startedAtMs: clock.monotonic(),
      stopWaiting: () => undefined,
    }
    this.#expectToListen(member)
    generation.members.set(worker, member)
  }

  #expectToListen(member: OwnMember<Process>): void {
    const { clock, startTimeoutMs = START_TIMEOUT_MS } = this.#options
    member.stopWaiting()
    member.stopWaiting = clock.after(startTimeoutMs, () => {
      member.failure = `it did not listen within ${String(startTimeoutMs / 1000)} s`
      member.process.kill()
    })
  }

  /** An outage of the journal's server is no failure of the worker: its timeout begins anew. */
  #waits(generation: Generation<Process>, member: OwnMember<Process>): void {
    if (member.isPrepared) return
    const { worker, generation: id } = member
    this.#log.debug('worker.waiting', { worker, generation: id }, 'a worker waits for the server of its journal')
    this.#expectToListen(member)
    if (generation.state === 'starting') this.#options.onWaiting?.()
  }

  /**
   * The port opens when all workers of a generation are prepared. If the first one listened alone, it would receive every
   * client that waits for the server to start.
   */
  #prepared(generation: Generation<Process>, member: OwnMember<Process>): void {
    member.stopWaiting()
    member.isPrepared = true
    if (generation.state === 'starting') this.#listenTogether(generation)
    else this.#listen(member)
  }

  #listenTogether(generation: Generation<Process>): void {
    for (let number = 1; number <= generation.size; number++) {
      if (!generation.members.has(number)) this.#start(generation, number)
    }
    const members = [...generation.members.values()]
    if (!members.every(({ isPrepared }) => isPrepared)) return
    for (const member of members) if (!member.isReady) this.#listen(member)
  }

  #listen(member: OwnMember<Process>): void {
    this.#expectToListen(member)
    member.process.send({ kind: 'listen' })
  }

  #ready(generation: Generation<Process>, member: OwnMember<Process>, address: Address): void {
    const { worker, process, isPrepared } = member
    member.stopWaiting()
    member.isReady = true
    member.isPrepared = true
    this.#log.info('worker.started', { worker, generation: generation.id, pid: process.pid }, 'a worker listens')
    if (generation.state !== 'starting') return
    // A worker of an older build listens without the message `listen`.
    if (!isPrepared) this.#listenTogether(generation)
    if ([...generation.members.values()].every(({ isReady }) => isReady)) this.#takeOver(generation, address)
  }

  #takeOver(generation: Generation<Process>, address: Address): void {
    const previous = this.#serving
    generation.state = 'serving'
    this.#serving = generation
    this.#starting = undefined
    if (previous) {
      const fields = { generation: generation.id, workers: generation.size }
      this.#log.info('reload.done', fields, 'the new workers have taken over')
      this.#leave(previous, { kind: 'leave' })
    }
    this.#options.onServing(address, generation.id)
    this.#reloadAgain()
  }

  #exited(generation: Generation<Process>, member: OwnMember<Process>, exit: WorkerExit): void {
    const { worker, isReady } = member
    member.stopWaiting()
    generation.members.delete(worker)
    const isExpected = generation.state === 'leaving' || this.#isShuttingDown
    const isCrash = generation.state === 'serving' && !isExpected
    this.#logExit(member, exit, isExpected && exit.code === 0)
    this.#options.onExit?.(member, isCrash)
    if (generation.state === 'starting') this.#failed(generation, member, exit)
    else if (isCrash && !this.#isOver) this.#replace(generation, member, isReady)
    else if (generation.state === 'leaving') this.#forgetIfGone(generation)
    this.#endIfNobodyLeft()
  }

  #logExit(member: OwnMember<Process>, exit: WorkerExit, isFine: boolean): void {
    const { worker, generation, process, failure } = member
    const { code, signal, complaint } = exit
    const reason = failure ?? (complaint || undefined)
    const fields = { worker, generation, pid: process.pid, code, signal, ...(!isFine && { reason }) }
    if (isFine) this.#log.info('worker.ended', fields, 'a worker has ended')
    else this.#log.warn('worker.ended', fields, 'a worker ended unexpectedly')
  }

  /** A worker of a starting generation failed: the generation is given up. */
  #failed(generation: Generation<Process>, member: OwnMember<Process>, exit: WorkerExit): void {
    const { code, signal, complaint } = exit
    const ending = signal === null ? `exit code ${String(code)}` : signal
    const reason = member.failure ?? (complaint || ending)
    if (!this.#serving) {
      this.#starting = undefined
      for (const { process } of generation.members.values()) process.kill()
      this.#options.onNeverServed(exit)
      return
    }
    this.#abandon(generation, reason, { kind: 'leave' })
    this.#reloadAgain()
  }

  /** Gives up the start of a generation. Workers of it that listen already may have clients, so they drain. */
  #abandon(generation: Generation<Process>, reason: string, message: ToWorker): void {
    this.#starting = undefined
    if (this.#serving) {
      this.#options.onReloadFailed?.()
      const fields = { generation: generation.id, reason }
      this.#log.error('reload.failed', fields, 'the new workers did not take over: the old ones continue')
    }
    this.#leave(generation, message)
  }

  #leave(generation: Generation<Process>, message: ToWorker): void {
    generation.state = 'leaving'
    generation.replacements.callOff()
    this.#leaving.push(generation)
    this.#tell(generation, message)
    this.#forgetIfGone(generation)
    const leisurely = this.#leaving.filter(({ hurried }) => !hurried)
    for (const oldest of leisurely.slice(0, Math.max(0, leisurely.length - MAX_LEAVING))) this.#hurry(oldest)
  }

  /** A worker that does not listen yet has no clients, so it is killed and does not drain. */
  #tell({ members }: Generation<Process>, message: ToWorker): void {
    for (const { isReady, process } of members.values()) {
      if (isReady) process.send(message)
      else process.kill()
    }
  }

  #hurry(generation: Generation<Process>): void {
    generation.hurried = true
    for (const { process } of generation.members.values()) process.send({ kind: 'hurry' })
  }

  #replace(generation: Generation<Process>, { worker, startedAtMs }: OwnMember<Process>, hadServed: boolean): void {
    const servedMs = hadServed ? this.#options.clock.monotonic() - startedAtMs : 0
    const identity = { worker, generation: generation.id }
    generation.replacements.replace(identity, servedMs, () => this.#start(generation, worker))
  }

  #reloadAgain(): void {
    if (!this.#again || this.#isShuttingDown) return
    this.#again = false
    this.reload()
  }

  #forgetIfGone(generation: Generation<Process>): void {
    if (generation.members.size > 0 || !this.#leaving.includes(generation)) return
    this.#leaving = this.#leaving.filter((each) => each !== generation)
    this.#options.onGenerationGone?.(generation.id)
  }

  #endIfNobodyLeft(): void {
    if (this.#isShuttingDown && this.members().next().done) this.#options.onNobodyLeft()
  }
}
