/**
 * The graceful shutdown of one server. Owns the state of the server; the end of HTTP and of the journal is a callback.
 *
 * One shutdown, in order:
 *
 *     handleSignal, begin     `draining`: `/ready` answers 503, handshakes are still accepted for SHUTDOWN_DELAY
 *     #warn, Departures       handshakes are rejected; each connection gets its slot, the quietest client first
 *     #tell('warning')        each client learns when its slot begins and when the deadline is
 *     #tell('reminder')       at half time, then 5 min, 1 min and 10 s before the deadline
 *     #closeEndedSlots        in mode `migrate`: a client that can only reconnect is closed when its slot ends; while no
 *                             other instance is ready, the server closes none before the spread is over
 *     cancel                  until the deadline the server can go back to `serving`
 *     #checkDeadline, hurry   `closing`: the deadline is near, or a second signal came
 *     #closeRemaining         forced closes, paced, each with a last message and a close frame
 *     #endIfEverybodyGone     `closed`, as soon as the last connection has ended
 *     #end                    the report, then onEverybodyGone, then waitForShutdown resolves
 */
import { TEXTS, type ShutdownMessage, type ShutdownPhase } from '@lastcall/protocol'
import { systemClock, type Clock } from '../clock.js'
import { CLOSE_TICK_MS } from '../connections/close-pace.js'
import { CLOSES, type Close } from '../connections/closes.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import type { EncodeFrame } from '../frames.js'
import { silentLogger, type Logger } from '../observability/log.js'
import { systemRandomness } from '../randomness.js'
import { Departures } from './departures.js'
import { closingTimeMs, reminderTimes, returnTimes, spreadMs } from './drain-plan.js'
import { connectionsLeft, DrainProgress, PROGRESS_EVERY_MS, shutdownStarted } from './drain-progress.js'
import { DrainCounter, type DrainReport, type ShutdownMode } from './drain-report.js'
import { countWaiting, ForcedCloses } from './forced-closes.js'
import type { GracefulShutdownOptions, ShutdownRequest } from './shutdown-options.js'
import { LastSightings } from './last-sightings.js'
import { isReady, isShuttingDown, nextState, type ShutdownEvent, type ShutdownState } from './shutdown-state.js'
import { shutdownMessages } from './shutdown-message.js'
import { secondSignalHint, SignalEscalation } from './signal-escalation.js'
import { onShutdownSignals, type ShutdownSignal } from './signals.js'

/** The interval at which the shutdown checks the deadline, in milliseconds. */
const DEADLINE_TICK_MS = 50

export class GracefulShutdownManager {
  readonly #options: GracefulShutdownOptions
  readonly #connections: ConnectionManager
  readonly #clock: Clock
  readonly #log: Logger
  readonly #encodeFrame: EncodeFrame
  readonly #signals: SignalEscalation
  #timeoutMs = 0
  #mode: ShutdownMode = 'wait'
  #state: ShutdownState = 'starting'
  #counter: DrainCounter | undefined
  #startedAtMs = 0
  /** Whether the server rejects new clients already: after SHUTDOWN_DELAY. */
  #hasWarned = false
  /** `undefined`: before the warning. */
  #departures: Departures | undefined
  #progress = new DrainProgress(0)
  /** Functions that stop the timers of the present state. */
  #timers: (() => void)[] = []
  readonly #lastSightings: LastSightings
  #finished: ((report: DrainReport) => void)[] = []
  readonly #observers: ((state: ShutdownState) => void)[] = []
  #report: DrainReport | undefined

  constructor(options: GracefulShutdownOptions) {
    this.#options = options
    this.#connections = options.connectionManager
    this.#clock = options.clock ?? systemClock
    this.#log = options.log ?? silentLogger
    this.#encodeFrame = options.encodeFrame ?? ((text) => Buffer.from(text))
    this.#lastSightings = new LastSightings(this.#clock)
    this.#signals = new SignalEscalation({
      begin: (signal) => this.begin(signal),
      hurry: () => this.hurry(),
      endNow: options.onThirdSignal ?? (() => process.exit(1)),
      log: this.#log,
    })
    this.#connections.observe({
      onConnect: (connection, isTakeover) => this.#came(connection, isTakeover),
      onDisconnect: (connection, code) => this.#ended(connection, code),
    })
  }

  get state(): ShutdownState {
    return this.#state
  }

  /** Whether this instance accepts new clients, as `/ready` reports it. */
  get isReady(): boolean {
    return isReady(this.#state)
  }

  get isShuttingDown(): boolean {
    return isShuttingDown(this.#state)
  }

  /** Whether the server rejects new clients. This begins SHUTDOWN_DELAY after `isReady` has become false. */
  get isClosedToNewcomers(): boolean {
    return this.isShuttingDown && (this.#hasWarned || this.#state !== 'draining')
  }

  /** The report so far; `undefined` before a shutdown. */
  get report(): DrainReport | undefined {
    return this.#report ?? this.#counter?.report(this.#clock.now(), this.#clock.monotonic(), false)
  }

  /** The server listens. */
  started(): void {
    this.#move('started')
  }

  /** Handles SIGTERM and SIGINT here. The returned function removes the handlers. */
  registerSignals(): () => void {
    return onShutdownSignals((signal) => this.handleSignal(signal))
  }

  /** The first signal starts a shutdown, the second one ends the waiting, the third one ends the process. */
  handleSignal(signal: ShutdownSignal): void {
    this.#signals.handle(signal)
  }

  /** Ends the waiting: the server writes what is due and closes every connection, without a spread. `false`: no shutdown runs. */
  hurry(): boolean {
    if (this.#state !== 'closing' && !this.#move('hurry')) return false
    this.#closeRemaining(0)
    return true
  }

  /** Starts a shutdown. `false`: one runs already, and continues unchanged. */
  begin(why: string, request: ShutdownRequest = {}): boolean {
    if (!nextState(this.#state, 'shutdown')) return false
    const { timeoutSeconds = 1800, mode = 'wait' } = this.#options
    const delaySeconds = request.delaySeconds ?? this.#options.delaySeconds ?? 0
    this.#timeoutMs = (request.timeoutSeconds ?? timeoutSeconds) * 1000
    this.#mode = request.mode ?? mode
    const connections = this.#connections.getActiveCount()
    this.#startedAtMs = this.#clock.monotonic()
    this.#progress = new DrainProgress(this.#startedAtMs)
    this.#counter = new DrainCounter({
      why,
      mode: this.#mode,
      now: this.#clock.now(),
      monotonicMs: this.#startedAtMs,
      connections,
    })
    // Observers of the state must see the report of this shutdown, not that of the one before.
    this.#move('shutdown')
    this.#log.info(
      'shutdown.started',
      { why, mode: this.#mode, totalConnections: connections, timeoutSeconds: this.#timeoutMs / 1000, delaySeconds },
      shutdownStarted(connections, this.#timeoutMs) + secondSignalHint(why),
    )
    this.#timers.push(this.#clock.every(PROGRESS_EVERY_MS, () => this.#logProgress()))
    this.#timers.push(this.#clock.every(DEADLINE_TICK_MS, () => this.#checkDeadline()))
    if (delaySeconds > 0) {
      this.#log.info('shutdown.delay', { delaySeconds }, 'the server still accepts new clients')
      this.#timers.push(this.#clock.after(delaySeconds * 1000, () => this.#warn()))
    } else this.#warn()
    return true
  }

  /** Cancels a shutdown; the server accepts clients again. `false`: the deadline has passed, or no shutdown runs. */
  cancel(why: string): boolean {
    if (!this.#move('cancel')) return false
    this.#signals.reset()
    this.#hasWarned = false
    this.#departures = undefined
    this.#counter = undefined
    for (const connection of this.#connections.all()) connection.leaveAtMs = undefined
    const told = this.#connections.broadcast((locale) => ({
      type: 'shutdownCancelled',
      text: TEXTS[locale].shutdownCancelled,
    }))
    this.#log.info('shutdown.cancelled', { why, told }, 'the shutdown was cancelled')
    return true
  }

  /** Another instance has accepted a client that is or was connected here: the client migrates and does not leave. */
  seenElsewhere(clientId: string): void {
    const connection = this.#connections.get(clientId)
    if (connection) connection.isElsewhere = true
    else this.#counter?.seenElsewhere(clientId)
    if (!this.#counter?.hasUnseen) this.#lastSightings.complete()
  }

  /** Calls back at each change of the state, from now on. */
  observe(callback: (state: ShutdownState) => void): void {
    this.#observers.push(callback)
  }

  /** Resolves when all connections have ended and everything is closed. Does not begin a shutdown. */
  waitForShutdown(): Promise<DrainReport> {
    if (this.#report) return Promise.resolve(this.#report)
    return new Promise((resolve) => this.#finished.push(resolve))
  }

  #move(event: ShutdownEvent): boolean {
    const state = nextState(this.#state, event)
    if (!state) return false
    this.#state = state
    for (const stop of this.#timers.splice(0)) stop()
    for (const callback of this.#observers) callback(state)
    return true
  }

  /** Milliseconds until the remaining connections are closed; 0 when no shutdown runs. */
  get remainingMs(): number {
    return this.isShuttingDown ? this.#deadlineInMs : 0
  }

  /** The time of the forced closes: SHUTDOWN_TIMEOUT, or the end of the spread while no other instance is ready. */
  get #deadlineInMs(): number {
    const { keepUntilMs = Infinity } = this.#departures ?? {}
    return Math.max(0, Math.min(this.#timeoutInMs, Math.round(keepUntilMs - this.#clock.monotonic())))
  }

  get #timeoutInMs(): number {
    return Math.max(0, Math.round(this.#startedAtMs + this.#timeoutMs - this.#clock.monotonic()))
  }

  #message(phase: ShutdownPhase, returnInMs?: number): (connection: Connection) => ShutdownMessage {
    const remaining = this.#connections.getActiveCount()
    const facts = { nowMs: this.#clock.monotonic(), deadlineInMs: this.#deadlineInMs, remaining, returnInMs }
    return shutdownMessages(phase, facts)
  }

  #warn(): void {
    this.#hasWarned = true
    this.#options.onClosedToNewcomers?.()
    const now = this.#clock.monotonic()
    const elapsedMs = now - this.#startedAtMs
    for (const time of reminderTimes(this.#timeoutMs)) {
      if (time > elapsedMs) this.#timers.push(this.#clock.after(time - elapsedMs, () => this.#tell('reminder')))
    }
    const { spreadSeconds, isAnotherReady = () => true } = this.#options
    const overMs = spreadMs(spreadSeconds === undefined ? undefined : spreadSeconds * 1000, this.#timeoutInMs)
    const how = { connections: this.#connections, mode: this.#mode, overMs, hasSuccessor: isAnotherReady }
    this.#departures = new Departures(how, now)
    this.#tell('warning')
    if (this.#mode === 'migrate') this.#timers.push(this.#clock.every(CLOSE_TICK_MS, () => this.#closeEndedSlots()))
    this.#endIfEverybodyGone()
  }

  #closeEndedSlots(): void {
    const now = this.#clock.monotonic()
    const change = this.#departures?.check(now)
    if (change === 'begun') this.#tell('reminder')
    if (change !== 'over') {
      const close = (connection: Connection): void => this.#closeOne(connection, CLOSES.slotEnded)
      this.#departures?.closeEnded(now, countWaiting(this.#connections), CLOSE_TICK_MS, close)
    } else if (this.#move('deadline')) {
      this.#closeRemaining(closingTimeMs(this.#connections.getActiveCount(), Infinity))
    }
  }

  #closeOne(connection: Connection, close: Close, returnInMs?: number): void {
    const { closeCode = close.code } = this.#options
    const lastFrame = this.#encodeFrame(JSON.stringify(this.#message('closing', returnInMs)(connection)))
    this.#connections.closePolitely(connection, { ...close, code: closeCode, lastFrame })
  }

  #tell(phase: ShutdownPhase): void {
    const warned = this.#connections.broadcastEach(this.#message(phase))
    this.#log.info(
      'shutdown.warning',
      { phase, warned, deadlineInSeconds: this.#deadlineInMs / 1000 },
      'the clients were warned',
    )
  }

  #came(connection: Connection, isTakeover: boolean): void {
    if (!this.#counter) return
    if (!isTakeover) this.#counter.came()
    // The registry is live: a client in the middle of its handshake is warned like all others, after its welcome.
    if (!this.isClosedToNewcomers) return
    const { random = systemRandomness.fraction } = this.#options
    this.#departures?.assignLate(connection, this.#clock.monotonic(), random())
    this.#clock.soon(() => connection.send(this.#encodeFrame(JSON.stringify(this.#message('warning')(connection)))))
  }

  #ended(connection: Connection, code: number): void {
    this.#counter?.ended(connection, code, this.#clock.monotonic())
    this.#endIfEverybodyGone()
  }

  #logProgress(): void {
    const fields = this.#progress.next(this.report as DrainReport, this.#clock.monotonic(), this.#deadlineInMs)
    this.#log.info('shutdown.progress', fields, connectionsLeft(fields.remaining))
  }

  #checkDeadline(): void {
    const timeLeftMs = this.#timeoutInMs
    if (timeLeftMs > closingTimeMs(this.#connections.getActiveCount(), this.#timeoutMs)) return
    if (this.#move('deadline')) this.#closeRemaining(timeLeftMs)
  }

  /** Closes the remaining connections, spread over this time. */
  #closeRemaining(overMs: number): void {
    this.#log.warn(
      'shutdown.closing',
      { remaining: this.#connections.getActiveCount(), overSeconds: overMs / 1000 },
      'the server closes the remaining connections',
    )
    for (const stop of this.#timers.splice(0)) stop()
    const endMs = this.#clock.monotonic() + overMs
    const closes = new ForcedCloses(this.#connections.all(), endMs)
    const { restartTimeMs = 500, isAnotherReady = () => true, random = systemRandomness.fraction } = this.#options
    const returnInMs = returnTimes({ count: this.#connections.getActiveCount(), endMs, restartTimeMs, random })
    const close = (connection: Connection): void => {
      const hint = isAnotherReady() ? undefined : returnInMs(this.#clock.monotonic())
      this.#closeOne(connection, CLOSES.deadline, hint)
    }
    // After a stall the rest follows in the next turns and not in the next ticks: the closes end as soon as the machine allows.
    let isBehind = false
    const tick = (): void => {
      isBehind = closes.closeDue(this.#clock.monotonic(), countWaiting(this.#connections), CLOSE_TICK_MS, close)
      if (isBehind) this.#clock.soon(tick)
    }
    this.#timers.push(this.#clock.every(PROGRESS_EVERY_MS, () => this.#logProgress()))
    this.#timers.push(this.#clock.every(CLOSE_TICK_MS, () => isBehind || tick()))
    tick()
    this.#endIfEverybodyGone()
  }

  #endIfEverybodyGone(): void {
    // During SHUTDOWN_DELAY the server accepts new clients: an empty registry means nothing yet.
    if (!this.isClosedToNewcomers || this.#connections.getActiveCount() > 0) return
    if (this.#move('everybodyGone')) void this.#end()
  }

  async #end(): Promise<void> {
    await this.#connections.whenNone()
    const counter = this.#counter as DrainCounter
    const [now, monotonicMs] = [this.#clock.now(), this.#clock.monotonic()]
    if (this.#options.isAnotherReady?.()) await this.#lastSightings.wait(counter)
    const report = counter.report(now, monotonicMs, true)
    this.#log.info('shutdown.report', { ...report }, 'all connections have ended')
    try {
      await this.#options.onEverybodyGone?.()
    } catch (error) {
      this.#log.error('error', { error }, 'something could not be closed')
    }
    this.#report = report
    this.#log.info('shutdown.closed', { durationSeconds: report.durationSeconds }, 'closed')
    for (const resolve of this.#finished.splice(0)) resolve(report)
  }
}
