/**
 * Calls the application's hooks. Whatever a hook does (throws, rejects, answers late or never, answers with something
 * that is no answer), it costs at most the one connection or message that it was asked about. It is logged with the name
 * of the hook and counted, and it never counts as a permission.
 */
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'
import { countIn, type Dependency, type Stats } from '../observability/stats.js'
import type { ConnectRequest, DisconnectEvent, Hooks, PublishAttempt } from './hooks.js'

export type ConnectDecision = 'allowed' | 'refused' | 'failed'

/** What becomes of a message. `replace`: this JSON text instead of the client's. */
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

/** For so long a message waits for the application; a handshake has a limit of its own (HANDSHAKE_TIMEOUT). */
const MESSAGE_TIMEOUT_MS = 10_000

/** One line of each hook in this time: a database that is down for 10,000 clients is not 10,000 lines. */
const LINE_EVERY_MS = 1000

const FAILED: MessageDecision = { kind: 'failed' }
const AS_IS: MessageDecision = { kind: 'asIs' }

type HookName = Extract<Dependency, `on${string}`>

export class HookCalls {
  readonly #options: HookCallsOptions
  /** When each hook had its last line, and how many failures had none since. */
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

  /** Resolves when the application has decided, which may be never: the handshake's own limit ends the waiting. */
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

  /** Decides at once where the hook does. A promise never rejects, and resolves after 10 s at most. */
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
      // Not awaited, and yet it may be an async function: its rejection would end the process.
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

/** @throws {TypeError} The answer is none, or its data cannot be written as JSON. */
function messageDecision(answer: unknown): MessageDecision {
  if (answer === undefined) return AS_IS
  if (typeof answer === 'object' && answer !== null) {
    if ('refuse' in answer && typeof answer.refuse === 'string') return { kind: 'refuse', detail: answer.refuse }
    if ('data' in answer && !('refuse' in answer)) {
      // Undefined for what JSON does not have, whatever the types of the library say.
      const data = JSON.stringify(answer.data) as string | undefined
      if (data !== undefined) return { kind: 'replace', data }
    }
  }
  throw new TypeError(`the answer is ${typeOf(answer)} instead of undefined, { data } or { refuse }`)
}

/** Also the promises of other realms and libraries. */
const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  'then' in value &&
  typeof value.then === 'function'

/** Never the value itself: it may be the content of a message. */
const typeOf = (value: unknown): string => (value === null ? 'null' : `of type ${typeof value}`)
