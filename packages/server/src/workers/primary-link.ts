/**
 * A worker's end of the channel to the primary: it sends `hello`, receives instructions, and queries the state of all workers.
 */
import type { Clock } from '../clock.js'
import type { ServerStatus } from '../http/app.js'
import type { Health } from '../http/health.js'
import { PROMETHEUS_CONTENT_TYPE } from '../http/metrics.js'
import type { FromWorker, PrimaryAnswers, ToWorker, WorkerAnswers } from './messages.js'
import { answer, RpcChannel } from './rpc.js'
import type { ShutdownLimits } from './shutdown-bound.js'
import { singleFlight } from './single-flight.js'

/** Longer than the primary waits for the workers, and shorter than the one-second timeout of many probes. Milliseconds. */
const ANSWER_TIMEOUT_MS = 800

/**
 * A query that changes the state gets a longer timeout: a reported failure of a change that took place would mislead the
 * operator.
 */
const CHANGE_TIMEOUT_MS = 12_000

type Start = Extract<ToWorker, { kind: 'start' }>
type CommandKind = Exclude<ToWorker['kind'], 'start' | 'listen' | 'question' | 'answer'>
export type Commands = { readonly [Kind in CommandKind]: (message: Extract<ToWorker, { kind: Kind }>) => void }
export type WorkerAnswering = {
  readonly [About in keyof WorkerAnswers]: (content: unknown) => WorkerAnswers[About] | Promise<WorkerAnswers[About]>
}

export class PrimaryLink {
  readonly #rpc: RpcChannel<PrimaryAnswers>
  #onStart: ((start: Start) => void) | undefined
  #onListen: (() => void) | undefined
  #commands: Commands | undefined
  #answers: WorkerAnswering | undefined

  constructor(clock: Clock) {
    this.#rpc = new RpcChannel((question) => void this.tell(question), clock)
    process.on('message', (message: ToWorker) => this.#hear(message))
    process.once('disconnect', () => this.#rpc.giveUp())
  }

  /** Sends `hello`. Resolves with the identity that the primary assigns. */
  async hello(workers: number, limits: ShutdownLimits): Promise<Start> {
    const start = new Promise<Start>((resolve) => (this.#onStart = resolve))
    await this.tell({ kind: 'hello', workers, limits })
    return start
  }

  /** Sends `prepared`. Resolves when the worker may listen. */
  async prepared(): Promise<void> {
    const listen = new Promise<void>((resolve) => (this.#onListen = resolve))
    await this.tell({ kind: 'prepared' })
    await listen
  }

  /** From now on the worker obeys the primary's messages and answers its queries. */
  serve(commands: Commands, answers: WorkerAnswering): void {
    this.#commands = commands
    this.#answers = answers
  }

  /** Resolves when the message has been sent, or when the primary has ended. */
  tell(message: FromWorker): Promise<void> {
    return new Promise((resolve) => {
      if (process.send && process.connected) process.send(message, undefined, undefined, () => resolve())
      else resolve()
    })
  }

  #hear(message: ToWorker): void {
    switch (message.kind) {
      case 'start':
        return this.#onStart?.(message)
      case 'listen':
        return this.#onListen?.()
      case 'answer':
        return this.#rpc.answered(message)
      case 'question':
        if (this.#answers) answer(message, this.#answers, (found) => void this.tell(found))
        return
      case 'leave':
        return this.#commands?.leave(message)
      case 'shutdown':
        return this.#commands?.shutdown(message)
      case 'hurry':
        return this.#commands?.hurry(message)
      default:
      // A message of another build, which this one does not know.
    }
  }

  /**
   * The status that this worker reports over HTTP: the aggregate of all workers. When the primary does not answer, a probe gets
   * this worker's own status, because a failing probe would make the platform kill all workers.
   */
  aggregateStatus(own: ServerStatus): ServerStatus {
    const ask = <About extends keyof PrimaryAnswers>(
      about: About,
      content?: unknown,
      timeoutMs = ANSWER_TIMEOUT_MS,
    ): Promise<PrimaryAnswers[About]> => this.#rpc.ask(about, { content, timeoutMs })
    const ownHealth = async (): Promise<Health> => ({
      ...(await own.health()),
      workers: { asked: 1, answered: 1, silent: 0 },
    })
    return {
      health: singleFlight(() => ask('health').catch(ownHealth)),
      isReady: singleFlight(() => ask('ready').catch(() => own.isReady())),
      metrics: { contentType: PROMETHEUS_CONTENT_TYPE, metrics: singleFlight(() => ask('metrics')) },
      shutdown: {
        status: () => ask('status'),
        begin: (why, request) => ask('begin', { why, request }, CHANGE_TIMEOUT_MS),
        cancel: (why) => ask('cancel', { why }, CHANGE_TIMEOUT_MS),
      },
    }
  }
}
