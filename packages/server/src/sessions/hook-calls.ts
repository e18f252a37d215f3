/**
 * Calls the application's hooks. A hook that throws, rejects, never settles or returns an invalid answer affects only
 * the one connection or message that it was called for. The failure is logged with the name of the hook and counted,
 * and it never counts as a permission.
 */
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'
import { countIn, type Dependency, type Stats } from '../observability/stats.js'
import type { ConnectRequest, DisconnectEvent, Hooks, PublishAttempt } from './hooks.js'

export type ConnectDecision = 'allowed' | 'refused' | 'failed'

/** The decision on a message. `replace`: the server publishes this JSON text instead of the client's. */
export type MessageDecision =
  | { readonly kind: 'asIs' }
  | { readonly kind: 'replace'; readonly data: string }
  | { readonly kind: 'refuse'; readonly detail: string }
  | { readonly kind: 'failed' }

export interface HookCallsOptions {
  readonly hooks: Hooks
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

/** How long a message waits for `onMessage`. A handshake waits for HANDSHAKE_TIMEOUT instead. */
const MESSAGE_TIMEOUT_MS = 10_000

/**
 * Each hook gets at most one log line in this time, so that a database outage does not write 10,000 lines for 10,000
 * clients.
 */
const LINE_EVERY_MS = 1000

const FAILED: MessageDecision = { kind: 'failed' }
const AS_IS: MessageDecision = { kind: 'asIs' }

type HookName = Extract<Dependency, `on${string}`>

export class HookCalls {
  readonly #options: HookCallsOptions
  /** For each hook, the time of its last log line and the number of failures without a line since then. */
  readonly #lines = new Map<HookName, { readonly atMs: number; suppressed: number }>()

  constructor(options: HookCallsOptions) {
    this.#options = options
  }

  get hasOnConnect(): boolean {
    return this.#options.hooks.onConnect !== undefined
  }

  get hasOnMessage(): boolean {
    return this.#options.hooks.onMessage !== undefined
  }

  /** Resolves with the application's decision. It may never resolve: HANDSHAKE_TIMEOUT ends the handshake. */
  async onConnect(request: ConnectRequest): Promise<ConnectDecision> {
    try {
      const answer: unknown = await this.#options.hooks.onConnect?.(request)
      if (answer === undefined || answer === true) return 'allowed'
      if (answer === false) return 'refused'
      throw new TypeError(`the answer is ${typeOf(answer)} instead of true, false or undefined`)
    } catch (error) {
      this.failed('onConnect', error, { clientId: request.clientId, address: request.request.remoteAddress })
      return 'failed'
    }
  }

  /**
   * Returns the decision at once if the hook is synchronous. A returned promise never rejects, and resolves after
   * `MESSAGE_TIMEOUT_MS` at most.
   */
  onMessage(attempt: PublishAttempt): MessageDecision | Promise<MessageDecision> {
    const { clientId } = attempt
    try {
      const answer: unknown = this.#options.hooks.onMessage?.(attempt)
      if (!isThenable(answer)) return messageDecision(answer)
      return this.#bounded(Promise.resolve(answer).then(messageDecision)).catch((error: unknown) =>
        this.#messageFailed(error, clientId),
      )
    } catch (error) {
      return this.#messageFailed(error, clientId)
    }
  }

  onDisconnect(event: DisconnectEvent): void {
    const { clientId } = event
    const fail = (error: unknown): void => this.failed('onDisconnect', error, { clientId })
    try {
      // The server does not wait for an asynchronous hook, but handles its rejection, which would end the process.
      const answer: unknown = this.#options.hooks.onDisconnect?.(event)
      if (isThenable(answer)) Promise.resolve(answer).catch(fail)
    } catch (error) {
      fail(error)
    }
  }

  /** Counts a failure of a hook, and logs it. */
  failed(hook: HookName, error: unknown, fields: Readonly<Record<string, unknown>>): void {
    const { clock, stats, log } = this.#options
    countIn(stats.dependencyFailures, hook)
    const last = this.#lines.get(hook)
    const now = clock.monotonic()
    if (last && now - last.atMs < LINE_EVERY_MS) {
      last.suppressed++
      return
    }
    const failuresNotLogged = last?.suppressed ?? 0
    this.#lines.set(hook, { atMs: now, suppressed: 0 })
    log.error(
      'hook.failed',
      { hook, error, ...fields, ...(failuresNotLogged > 0 && { failuresNotLogged }) },
      `the application's ${hook} failed`,
    )
  }

  #messageFailed(error: unknown, clientId: string): MessageDecision {
    this.failed('onMessage', error, { clientId })
    return FAILED
  }

  #bounded<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.#options.clock.after(MESSAGE_TIMEOUT_MS, () =>
        reject(new Error(`no answer within ${String(MESSAGE_TIMEOUT_MS)} ms`)),
      )
      promise.then(resolve, reject).finally(cancelTimeout)
    })
  }
}

/** @throws {TypeError} The answer is no decision, or its data cannot be written as JSON. */
function messageDecision(answer: unknown): MessageDecision {
  if (answer === undefined) return AS_IS
  if (typeof answer === 'object' && answer !== null) {
    if ('refuse' in answer && typeof answer.refuse === 'string') return { kind: 'refuse', detail: answer.refuse }
    if ('data' in answer && !('refuse' in answer)) {
      // JSON.stringify returns undefined for a function, for example, although its type does not say so.
      const data = JSON.stringify(answer.data) as string | undefined
      if (data !== undefined) return { kind: 'replace', data }
    }
  }
  throw new TypeError(`the answer is ${typeOf(answer)} instead of undefined, { data } or { refuse }`)
}

/** Recognizes the promises of other realms and libraries, too. */
const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  'then' in value &&
  typeof value.then === 'function'

/** Describes the type only, because the value may be the content of a message, which must not be logged. */
const typeOf = (value: unknown): string => (value === null ? 'null' : `of type ${typeof value}`)
