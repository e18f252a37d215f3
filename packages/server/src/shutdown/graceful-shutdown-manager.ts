/**
 * The shutdown: warns everybody, waits, paces what it must force, and says afterwards what happened to whom. Owns the
 * state of the server; what to do with HTTP and the journal at the end is told to it as callbacks.
 */
import { TEXTS, type ShutdownMessage, type ShutdownPhase } from '@lastcall/protocol'
import { systemClock, type Clock } from '../clock.js'
import { CLOSES, type Close } from '../connections/closes.js'
import type { ConnectionManager } from '../connections/connection-manager.js'
import type { Connection } from '../connections/connection.js'
import type { EncodeFrame } from '../frames.js'
import { silentLogger, type Logger } from '../observability/log.js'
import { closesDue, closingTimeMs, graceMs, reminderTimes, slotMs, spreadMs } from './drain-plan.js'
import { DrainProgress, PROGRESS_EVERY_MS } from './drain-progress.js'
import { DrainCounter, type DrainReport, type ShutdownMode } from './drain-report.js'
import { isReady, isShuttingDown, nextState, type ShutdownEvent, type ShutdownState } from './shutdown-state.js'
import { onShutdownSignals, type ShutdownSignal } from './signals.js'

export interface GracefulShutdownOptions {
  /** Whom it says goodbye to. */
  readonly connectionManager: ConnectionManager
  /** How long it waits until it closes who is left, in seconds. Default: 1800. */
  readonly timeoutSeconds?: number
  /** How long newcomers are still served, in seconds; part of the timeout. Default: 0. */
  readonly delaySeconds?: number
  /** `wait` (default): nobody is pushed before the deadline. `migrate`: each is closed when its slot is over. */
  readonly mode?: ShutdownMode
  /** Over how long slots are spread, in seconds; 0: there are none. Default: the smaller of 30 and half the timeout. */
  readonly spreadSeconds?: number | undefined
  /** The code of forced closes. Default: 1001. */
  readonly closeCode?: number
  /** Called at each change of the state. */
  readonly onState?: (state: ShutdownState) => void
  /**
   * Whether another instance can be heard letting in who leaves this one: then `seenElsewhere` is to be called, and the
   * report waits for that, 100 ms at most. Default: no.
   */
  readonly canBeSeenElsewhere?: () => boolean
  /** Called once everybody has gone: the place to flush and close all else. */
  readonly onEverybodyGone?: () => Promise<void> | void
  /** Called at a third signal. Default: the process exits with 1. */
  readonly onThirdSignal?: () => void
  /** Makes of a text what is written to a transport. Default: its UTF-8 bytes. */
  readonly encodeFrame?: EncodeFrame
  readonly clock?: Clock
  readonly log?: Logger
  /** Where the slot of a latecomer lies: from 0 to 1. Default: Math.random. */
  readonly random?: () => number
}

/** What one shutdown may have otherwise than configured. */
export interface ShutdownRequest {
  readonly timeoutSeconds?: number | undefined
  readonly mode?: ShutdownMode | undefined
  readonly delaySeconds?: number | undefined
}

/** How often closes are paced: seldom enough to cost nothing, often enough that nobody sees steps. */
const PACE_TICK_MS = 10

/** How long after it has left a client may be heard of from elsewhere, before the report. */
const SEEN_ELSEWHERE_WITHIN_MS = 100

/** How often is looked whether the deadline is near. */
const DEADLINE_TICK_MS = 50

export class GracefulShutdownManager {
  readonly #options: GracefulShutdownOptions
  readonly #connections: ConnectionManager
  readonly #clock: Clock
  readonly #log: Logger
  readonly #encodeFrame: EncodeFrame
  readonly #closeCode: number
  readonly #random: () => number
  #timeoutMs: number
  #mode: ShutdownMode
  #state: ShutdownState = 'starting'
  #signals = 0
  #counter: DrainCounter | undefined
  #startedAtMs = 0
  /** Whether newcomers are turned away already: after SHUTDOWN_DELAY. */
  #hasWarned = false
  /** When the last slot is over, by the monotonic clock; `undefined`: there are no slots. */
  #spreadEndMs: number | undefined
  /** By their slots. Who comes late is at the end, whatever its slot: there are few. */
  #order: Connection[] = []
  #progress = new DrainProgress(0)
  /** What the present state has running. */
  #timers: (() => void)[] = []
  /** Nobody is to be heard of any more. */
  #allSeen: (() => void) | undefined
  #finished: ((report: DrainReport) => void)[] = []
  readonly #observers: ((state: ShutdownState) => void)[] = []
  #report: DrainReport | undefined

  constructor(options: GracefulShutdownOptions) {
    const { timeoutSeconds = 1800, closeCode = CLOSES.deadline.code } = options
    this.#options = options
    this.#connections = options.connectionManager
    this.#clock = options.clock ?? systemClock
    this.#log = options.log ?? silentLogger
    this.#encodeFrame = options.encodeFrame ?? ((text) => Buffer.from(text))
    this.#timeoutMs = timeoutSeconds * 1000
    this.#mode = options.mode ?? 'wait'
    this.#closeCode = closeCode
    this.#random = options.random ?? Math.random
    this.#connections.observe({
      onConnect: (connection, isTakeover) => this.#came(connection, isTakeover),
      onDisconnect: (connection, code) => this.#ended(connection, code),
    })
  }

  get state(): ShutdownState {
    return this.#state
  }

  /** Whether this instance wants newcomers: what `/ready` says. */
  get isReady(): boolean {
    return isReady(this.#state)
  }

  get isShuttingDown(): boolean {
    return isShuttingDown(this.#state)
  }

  /** Whether newcomers are turned away. Later than `isReady`, by SHUTDOWN_DELAY. */
  get isClosedToNewcomers(): boolean {
    return this.isShuttingDown && (this.#hasWarned || this.#state !== 'draining')
  }

  /** What has happened so far; `undefined` before a shutdown. */
  get report(): DrainReport | undefined {
    return this.#report ?? this.#counter?.report(this.#clock.now(), this.#clock.monotonic(), false)
  }

  /** The server listens. */
  started(): void {
    this.#move('started')
  }

  /** Has SIGTERM and SIGINT handled here. The answer takes it back. */
  registerSignals(): () => void {
    return onShutdownSignals((signal) => this.handleSignal(signal))
  }

  /** The first begins a shutdown, the second ends the waiting, the third ends the process. */
  handleSignal(signal: ShutdownSignal): void {
    this.#signals++
    if (this.#signals === 1) {
      // One that was asked for goes on: a platform asks before it stops the process, and sends SIGTERM then.
      this.begin(signal)
    } else if (this.#signals <= 2) {
      this.#log.warn('shutdown.second_signal', { signal }, 'no more waiting: closing who is left')
      this.hurry()
    } else {
      this.#log.error('shutdown.closed', { signal }, 'a third signal: ending at once')
      this.#log.flush()
      if (this.#options.onThirdSignal) this.#options.onThirdSignal()
      else process.exit(1)
    }
  }

  /** Ends the waiting: everybody gets what is due and is closed, not spread any more. `false`: no shutdown runs. */
  hurry(): boolean {
    if (this.#state !== 'closing' && !this.#move('hurry')) return false
    this.#closeWhoIsLeft(0)
    return true
  }

  /** Begins a shutdown. `false`: one runs already, and goes on as it was begun. */
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
    // Whoever is called back is to see this shutdown, not what the last one has left.
    this.#move('shutdown')
    this.#log.info(
      'shutdown.started',
      { why, mode: this.#mode, totalConnections: connections, timeoutSeconds: this.#timeoutMs / 1000, delaySeconds },
      'a shutdown began',
    )
    this.#timers.push(this.#clock.every(PROGRESS_EVERY_MS, () => this.#logProgress()))
    this.#timers.push(this.#clock.every(DEADLINE_TICK_MS, () => this.#checkDeadline()))
    if (delaySeconds > 0) {
      this.#log.info('shutdown.delay', { delaySeconds }, 'newcomers are still served while load balancers take notice')
      this.#timers.push(this.#clock.after(delaySeconds * 1000, () => this.#warn()))
    } else this.#warn()
    return true
  }

  /** Calls a shutdown off: everybody may stay, and newcomers are welcome. `false`: it is too late, or there is none. */
  cancel(why: string): boolean {
    if (!this.#move('cancel')) return false
    this.#signals = 0
    this.#hasWarned = false
    this.#spreadEndMs = undefined
    this.#order = []
    this.#counter = undefined
    for (const connection of this.#connections.all()) connection.leaveAtMs = undefined
    const told = this.#connections.broadcast((locale) => ({
      type: 'shutdownCancelled',
      text: TEXTS[locale].shutdownCancelled,
    }))
    this.#log.info('shutdown.cancelled', { why, told }, 'the shutdown is called off')
    return true
  }

  /** Another instance has let in a client that is here, or was: it moves and does not leave. */
  seenElsewhere(clientId: string): void {
    const connection = this.#connections.get(clientId)
    if (connection) connection.isElsewhere = true
    else this.#counter?.seenElsewhere(clientId)
    if (!this.#counter?.hasUnseen) this.#allSeen?.()
  }

  /** Calls back at each change of the state, from now on. */
  observe(callback: (state: ShutdownState) => void): void {
    this.#observers.push(callback)
  }

  /** Resolves when everybody has gone and everything is closed. Does not begin a shutdown. */
  waitForShutdown(): Promise<DrainReport> {
    if (this.#report) return Promise.resolve(this.#report)
    return new Promise((resolve) => this.#finished.push(resolve))
  }

  #move(event: ShutdownEvent): boolean {
    const state = nextState(this.#state, event)
    if (!state) return false
    this.#state = state
    for (const stop of this.#timers.splice(0)) stop()
    this.#options.onState?.(state)
    for (const callback of this.#observers) callback(state)
    return true
  }

  /** Milliseconds until who is left will be closed; 0 when no shutdown runs. */
  get remainingMs(): number {
    return this.isShuttingDown ? this.#deadlineInMs : 0
  }

  get #deadlineInMs(): number {
    return Math.max(0, Math.round(this.#startedAtMs + this.#timeoutMs - this.#clock.monotonic()))
  }

  #message(phase: ShutdownPhase): (connection: Connection) => ShutdownMessage {
    const deadlineInMs = phase === 'closing' ? 0 : this.#deadlineInMs
    const remaining = this.#connections.getActiveCount()
    const now = this.#clock.monotonic()
    const texts = { uk: TEXTS.uk.shutdown(phase, deadlineInMs), en: TEXTS.en.shutdown(phase, deadlineInMs) }
    return ({ leaveAtMs, locale }) => ({
      type: 'shutdown',
      phase,
      deadlineInMs,
      leaveInMs: phase === 'closing' ? 0 : leaveAtMs === undefined ? null : Math.max(0, Math.round(leaveAtMs - now)),
      remaining,
      text: texts[locale],
    })
  }

  #warn(): void {
    this.#hasWarned = true
    const now = this.#clock.monotonic()
    const elapsedMs = now - this.#startedAtMs
    for (const time of reminderTimes(this.#timeoutMs)) {
      if (time > elapsedMs) this.#timers.push(this.#clock.after(time - elapsedMs, () => this.#tell('reminder')))
    }
    this.#assignSlots(now)
    this.#tell('warning')
    if (this.#mode === 'migrate') this.#migrate()
    this.#endIfEverybodyGone()
  }

  /** Quiet clients first: whom it disturbs least. */
  #assignSlots(now: number): void {
    const { spreadSeconds } = this.#options
    const asked = spreadSeconds === undefined ? undefined : spreadSeconds * 1000
    const overMs = spreadMs(asked, this.#deadlineInMs)
    if (overMs === 0) return
    this.#spreadEndMs = now + overMs
    this.#order = [...this.#connections.all()].sort((one, other) => one.lastHeardAtMs - other.lastHeardAtMs)
    const count = this.#order.length
    this.#order.forEach((connection, index) => (connection.leaveAtMs = now + slotMs(index, count, overMs)))
  }

  /** Closes whoever has not left when its slot is over, never faster than evenly. */
  #migrate(): void {
    const endMs = this.#spreadEndMs
    if (endMs === undefined) return
    const grace = graceMs(endMs - this.#clock.monotonic())
    let next = 0
    const tick = (): void => {
      const now = this.#clock.monotonic()
      let due = closesDue(this.#countWaiting(), endMs - now, PACE_TICK_MS)
      for (; due > 0 && next < this.#order.length; next++) {
        const connection = this.#order[next] as Connection
        if ((connection.leaveAtMs ?? now) + grace > now) return
        if (connection.serverClose || !connection.transport.isOpen) continue
        this.#closeOne(connection, CLOSES.slotEnded)
        due--
      }
    }
    this.#timers.push(this.#clock.every(PACE_TICK_MS, tick))
  }

  /** How many are still to leave, or to be closed. */
  #countWaiting(): number {
    let count = 0
    for (const connection of this.#connections.all()) if (!connection.serverClose) count++
    return count
  }

  #closeOne(connection: Connection, close: Close): void {
    const lastFrame = this.#encodeFrame(JSON.stringify(this.#message('closing')(connection)))
    this.#connections.closePolitely(connection, { ...close, code: this.#closeCode, lastFrame })
  }

  #tell(phase: ShutdownPhase): void {
    const warned = this.#connections.broadcastEach(this.#message(phase))
    this.#log.info(
      'shutdown.warning',
      { phase, warned, deadlineInSeconds: this.#deadlineInMs / 1000 },
      'the clients were told',
    )
  }

  #came(connection: Connection, isTakeover: boolean): void {
    if (!this.#counter) return
    if (!isTakeover) this.#counter.came()
    // The registry is live: who was in the middle of its handshake is warned like all others, after its welcome.
    if (!this.isClosedToNewcomers) return
    const now = this.#clock.monotonic()
    if (this.#spreadEndMs !== undefined) {
      connection.leaveAtMs =
        now + this.#random() * Math.max(0, this.#spreadEndMs - graceMs(this.#spreadEndMs - now) - now)
    }
    setImmediate(() => connection.send(this.#encodeFrame(JSON.stringify(this.#message('warning')(connection)))))
  }

  #ended(connection: Connection, code: number): void {
    this.#counter?.ended(connection, code, this.#clock.monotonic())
    this.#endIfEverybodyGone()
  }

  #logProgress(): void {
    const fields = this.#progress.next(this.report as DrainReport, this.#clock.monotonic(), this.#deadlineInMs)
    this.#log.info('shutdown.progress', fields, `${String(fields.remaining)} connections are left`)
  }

  #checkDeadline(): void {
    const timeLeftMs = this.#deadlineInMs
    if (timeLeftMs > closingTimeMs(this.#connections.getActiveCount(), this.#timeoutMs)) return
    if (this.#move('deadline')) this.#closeWhoIsLeft(timeLeftMs)
  }

  /** Closes who is left, spread over this time. */
  #closeWhoIsLeft(overMs: number): void {
    this.#log.warn(
      'shutdown.closing',
      { remaining: this.#connections.getActiveCount(), overSeconds: overMs / 1000 },
      'closing who is left',
    )
    for (const stop of this.#timers.splice(0)) stop()
    const endMs = this.#clock.monotonic() + overMs
    // Live: who leaves by itself leaves the iterator too, and nobody comes any more.
    const queue: Iterator<Connection, undefined> = this.#connections.all()
    const tick = (): void => {
      let due = closesDue(this.#countWaiting(), endMs - this.#clock.monotonic(), PACE_TICK_MS)
      while (due > 0) {
        const { value: connection } = queue.next()
        if (!connection) return
        if (connection.serverClose) continue
        this.#closeOne(connection, CLOSES.deadline)
        due--
      }
    }
    this.#timers.push(this.#clock.every(PROGRESS_EVERY_MS, () => this.#logProgress()))
    this.#timers.push(this.#clock.every(PACE_TICK_MS, tick))
    tick()
    this.#endIfEverybodyGone()
  }

  #endIfEverybodyGone(): void {
    // During SHUTDOWN_DELAY newcomers are still welcome: that nobody is here means nothing yet.
    if (!this.isClosedToNewcomers || this.#connections.getActiveCount() > 0) return
    if (this.#move('everybodyGone')) void this.#end()
  }

  /** The last to leave may have been let in elsewhere already, and that is on its way. */
  async #whenAllSeen({ hasUnseen, lastLeftAtMs }: DrainCounter): Promise<void> {
    const timeLeftMs = lastLeftAtMs + SEEN_ELSEWHERE_WITHIN_MS - this.#clock.monotonic()
    if (!hasUnseen || timeLeftMs <= 0 || !this.#options.canBeSeenElsewhere?.()) return
    await new Promise<void>((resolve) => {
      const stop = this.#clock.after(timeLeftMs, resolve)
      this.#allSeen = () => {
        stop()
        resolve()
      }
    })
  }

  async #end(): Promise<void> {
    await this.#connections.whenNone()
    const counter = this.#counter as DrainCounter
    const [now, monotonicMs] = [this.#clock.now(), this.#clock.monotonic()]
    await this.#whenAllSeen(counter)
    const report = counter.report(now, monotonicMs, true)
    this.#log.info('shutdown.report', { ...report }, 'everybody has gone')
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
