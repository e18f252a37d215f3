/**
 * The shutdown of all workers, and the aggregate of their states. Each worker has a shutdown of its own; this class starts,
 * cancels and aggregates them. Owns the aggregate state, and no process.
 */
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'
import type { AggregateMetrics } from '../observability/aggregate-metrics.js'
import { connectionsLeft, DrainProgress, PROGRESS_EVERY_MS } from '../shutdown/drain-progress.js'
import type { DrainReport } from '../shutdown/drain-report.js'
import type { ShutdownRequest } from '../shutdown/shutdown-options.js'
import { isShuttingDown, nextState, type ShutdownEvent, type ShutdownState } from '../shutdown/shutdown-state.js'
import { secondSignalHint, SignalEscalation } from '../shutdown/signal-escalation.js'
import type { ShutdownSignal } from '../shutdown/signals.js'
import type { Progress } from '../systemd/service-reporter.js'
import { DrainReports } from './drain-reports.js'
import type { ForkedWorker } from './forked-worker.js'
import type { Member } from './generations-options.js'
import type { Generations } from './generations.js'
import type { PrimaryAnswers, WorkerStatus, WorkerIdentity } from './messages.js'
import type { WorkerQuery } from './worker-query.js'
import { singleFlight } from './single-flight.js'
import { connectionsOf, healthOf, reportOf, shutdownStatusOf, type AggregateStatus } from './aggregate.js'

export interface SupervisionOptions {
  readonly generations: Pick<
    Generations<ForkedWorker>,
    'serving' | 'members' | 'shutdown' | 'resume' | 'hurry' | 'hurryLeaving'
  >
  readonly query: Pick<WorkerQuery, 'ask' | 'silentCount'>
  readonly metrics: Pick<AggregateMetrics, 'update' | 'text'>
  readonly clock: Clock
  readonly log: Logger
}

export interface SupervisionObserver {
  /** A shutdown has changed the state. `timeoutSeconds`: the value of the request, which replaces SHUTDOWN_TIMEOUT. */
  onState(state: ShutdownState, timeoutSeconds?: number): void
  onThirdSignal(): void
}

/** Long: if the primary missed a worker's answer that it has cancelled, that worker would serve on while the primary shuts down. */
const CANCEL_TIMEOUT_MS = 10_000

interface Asked {
  readonly asked: number
  readonly statuses: readonly WorkerStatus[]
}

export class Supervision {
  readonly #options: SupervisionOptions
  readonly #startedAtMs: number
  readonly #signals: SignalEscalation
  #state: ShutdownState = 'starting'
  #shutdownStartedAtMs = 0
  readonly #reports = new DrainReports()
  #progress = new DrainProgress(0)
  #stopProgress = (): void => undefined
  #stopHurry = (): void => undefined
  readonly #observers: SupervisionObserver[] = []

  constructor(options: SupervisionOptions) {
    this.#options = options
    this.#startedAtMs = options.clock.monotonic()
    this.#signals = new SignalEscalation({
      begin: (signal) => this.begin(signal),
      hurry: () => {
        options.generations.hurry()
        this.#enterClosing()
      },
      endNow: () => {
        for (const observer of this.#observers) observer.onThirdSignal()
      },
      log: options.log,
    })
    options.clock.every(PROGRESS_EVERY_MS, () => void this.#watchLeaving())
  }

  /** The state of all workers as that of one server. It follows a worker's own state at the next query. */
  get state(): ShutdownState {
    return this.#state
  }

  get #isShuttingDown(): boolean {
    return isShuttingDown(this.#state)
  }

  /** A generation serves. */
  started(): void {
    this.#move('started')
  }

  observe(observer: SupervisionObserver): void {
    this.#observers.push(observer)
  }

  #tellState(timeoutSeconds?: number): void {
    for (const observer of this.#observers) observer.onState(this.#state, timeoutSeconds)
  }

  #move(event: ShutdownEvent): boolean {
    const state = nextState(this.#state, event)
    if (state) this.#state = state
    return state !== undefined
  }

  /** The number of connections of all workers, and how they end; `undefined`: no worker has answered. */
  async progress(): Promise<Progress | undefined> {
    const { asked, statuses } = await this.#ask()
    if (asked > 0 && statuses.length === 0) return undefined
    return { activeConnections: connectionsOf(statuses), ...this.#status(statuses) }
  }

  /** The queries that any worker may send because of an HTTP request. */
  readonly answers: {
    readonly [About in keyof PrimaryAnswers]: (
      content: unknown,
    ) => PrimaryAnswers[About] | Promise<PrimaryAnswers[About]>
  } = {
    health: singleFlight(() => this.#health()),
    ready: () => !this.#isShuttingDown && this.#options.generations.serving > 0,
    metrics: singleFlight(() => this.#metrics()),
    status: async () => this.#status(this.#isShuttingDown ? (await this.#ask()).statuses : []),
    begin: (content) => {
      const { why, request } = content as { why: string; request: ShutdownRequest }
      return this.begin(why, request)
    },
    cancel: (content) => this.#cancel((content as { why: string }).why),
  }

  /** The first signal starts a shutdown, the second one ends the waiting, the third one ends all processes at once. */
  handleSignal(signal: ShutdownSignal): void {
    this.#signals.handle(signal)
  }

  /** Starts the shutdown of all workers. `false`: it runs already. */
  begin(why: string, request: ShutdownRequest = {}): boolean {
    const { generations, clock, log } = this.#options
    if (!this.#move('shutdown')) return false
    this.#shutdownStartedAtMs = clock.monotonic()
    this.#progress = new DrainProgress(this.#shutdownStartedAtMs)
    const workers = [...generations.members()].length
    log.info(
      'shutdown.started',
      { why, ...request, workers },
      `the shutdown of all workers has started${secondSignalHint(why)}`,
    )
    this.#stopProgress = clock.every(PROGRESS_EVERY_MS, () => void this.#logProgress())
    // Workers that leave because of a reload have a deadline of their own, which may be later.
    if (request.timeoutSeconds !== undefined) {
      this.#stopHurry = clock.after(request.timeoutSeconds * 1000, () => generations.hurryLeaving())
    }
    generations.shutdown({ kind: 'shutdown', why, request })
    if (this.#state !== 'closed') this.#tellState(request.timeoutSeconds)
    return true
  }

  /** The last connection of a worker has ended. */
  ended(worker: WorkerIdentity, report: DrainReport): void {
    this.#reports.ended(worker, report)
  }

  /** A worker's process has ended. */
  exited(worker: WorkerIdentity): void {
    this.#reports.exited(worker, new Date(this.#options.clock.now()).toISOString())
  }

  /** All workers of a leaving generation have ended: logs its report now, or with the others during a shutdown. */
  generationGone(generation: number): void {
    if (this.#isShuttingDown) return
    const report = this.#reports.take(generation)
    if (report) this.#options.log.info('shutdown.report', { ...report, generation }, 'an old generation has ended')
  }

  /** No process is left. */
  closed(): void {
    if (!this.#move('everybodyGone')) return
    const { log, clock } = this.#options
    this.#stopProgress()
    this.#stopHurry()
    const reports = this.#reports.all()
    const report = reportOf(reports)
    if (report) log.info('shutdown.report', { ...report, workers: reports.length }, 'all connections have ended')
    const durationSeconds = Math.round(clock.monotonic() - this.#shutdownStartedAtMs) / 1000
    log.info('shutdown.closed', { durationSeconds }, 'closed')
    this.#tellState()
  }

  async #cancel(why: string): Promise<boolean> {
    const { generations, query, log } = this.#options
    if (!this.#isShuttingDown) return false
    const { answers } = await query.ask('cancel', {
      content: { why },
      // Workers that leave because of a reload keep leaving.
      fits: ({ generation }) => generation === generations.serving,
      timeoutMs: CANCEL_TIMEOUT_MS,
    })
    if (!answers.some(({ content }) => content)) return false
    if (!this.#move('cancel')) {
      // A second signal arrived while the primary queried the workers. It prevails, also when a worker has cancelled its
      // shutdown.
      if (this.#state === 'closing') {
        generations.shutdown({ kind: 'shutdown', why, request: {} })
        generations.hurry()
      }
      return false
    }
    this.#signals.reset()
    this.#stopProgress()
    this.#stopHurry()
    this.#reports.take(generations.serving)
    log.info('shutdown.cancelled', { why }, 'the shutdown was cancelled')
    generations.resume()
    this.#tellState()
    return true
  }

  async #health(): Promise<PrimaryAnswers['health']> {
    const { generations, query, clock } = this.#options
    const { asked, answers } = await query.ask('standing')
    const current = answers.filter(({ member }) => member.generation === generations.serving)
    const health = healthOf({
      all: answers.map(({ content }) => content.health),
      serving: current.map(({ content }) => content.health),
      asked,
      silent: query.silentCount,
      isShuttingDown: this.#isShuttingDown,
      uptimeSeconds: Math.round(clock.monotonic() - this.#startedAtMs) / 1000,
    })
    if (!health) throw new Error('no worker has answered')
    return health
  }

  async #metrics(): Promise<string> {
    const { metrics, query } = this.#options
    const { answers } = await query.ask('metrics')
    for (const { member, content } of answers) metrics.update(member, content)
    return metrics.text()
  }

  async #ask(fits?: (member: Member<ForkedWorker>) => boolean): Promise<Asked> {
    const { asked, answers } = await this.#options.query.ask('standing', fits && { fits })
    for (const { member, content } of answers) this.#reports.heard(member, content.report)
    const statuses = answers.map(({ content }) => content)
    // Only when all workers have answered: the cancellation may still reach a worker that has not.
    if (!fits && asked === statuses.length && this.#status(statuses).state === 'closing') this.#enterClosing()
    return { asked, statuses }
  }

  #status(statuses: readonly WorkerStatus[]): AggregateStatus {
    return shutdownStatusOf({ isShuttingDown: this.#isShuttingDown, statuses, ended: this.#reports.all() })
  }

  #enterClosing(): void {
    if (this.#move('hurry')) this.#tellState()
  }

  /** The progress of a shutdown, over all workers. */
  async #logProgress(): Promise<void> {
    const { clock } = this.#options
    const running = (await this.#ask()).statuses.filter(({ report }) => report !== undefined)
    const report = reportOf([...running.flatMap((each) => each.report ?? []), ...this.#reports.all()])
    if (!report || !this.#isShuttingDown || this.#state === 'closed') return
    const deadlineInMs = Math.max(0, ...running.map(({ remainingMs }) => remainingMs))
    const fields = { ...this.#progress.next(report, clock.monotonic(), deadlineInMs), workers: running.length }
    this.#options.log.info('shutdown.progress', fields, connectionsLeft(fields.remaining))
  }

  /** The progress after a reload: the number of connections at the old workers. */
  async #watchLeaving(): Promise<void> {
    const { generations, log } = this.#options
    if (this.#isShuttingDown) return
    const fits = ({ generation }: WorkerIdentity): boolean => generation < generations.serving
    if (![...generations.members()].some(fits)) return
    const { statuses } = await this.#ask(fits)
    const report = reportOf(statuses.flatMap((each) => each.report ?? []))
    if (!report) return
    const { left, moved, lost, remaining } = report
    const fields = { remaining, left, moved, lost, workers: statuses.length }
    log.info('shutdown.progress', fields, `${connectionsLeft(remaining)} at old workers`)
  }
}
