/**
 * Handles a handshake between the front and the session: the checks that take time, the decision, and the answer to the
 * client. When a check cannot be made, the client gets 1013 (try again later).
 */
import { isClientId, parseCursor, TEXTS, type RejectedMessage } from '@lastcall/protocol'
import type { Handshake, Reply } from '../connections/front.js'
import type { Transport, TransportListener } from '../connections/transport.js'
import type { Feed } from '../hub/feed.js'
import type { Logger } from '../observability/log.js'
import { countIn, type Stats } from '../observability/stats.js'
import type { SlicedTasks } from '../sliced-tasks.js'
import { rejection, type Admission, type HandshakeRequest, type Rejection } from './admission.js'
import type { TokenClaims } from './token-verifier.js'
import { readHandshake } from './handshake.js'
import type { HookCalls } from './hook-calls.js'
import type { LateAnswers } from './late-answers.js'
import type { HandshakeEnd, PendingHandshakes } from './pending-handshakes.js'
import type { SessionSetup } from './session-setup.js'

export interface HandshakeHandlerOptions {
  readonly admission: Admission
  readonly pending: PendingHandshakes
  /** Makes the decisions after the checks: thousands of checks may end in one turn of the event loop. */
  readonly decisions: Pick<SlicedTasks, 'add'>
  readonly sessionSetup: SessionSetup
  readonly feed: Pick<Feed, 'waitForCursor' | 'canRecover' | 'isVoid' | 'isAvailable'>
  /** How long a handshake waits until this instance has read the entries up to the client's cursor, in milliseconds. */
  readonly maxWaitForCursorMs: number
  readonly hookCalls: HookCalls
  /** Decides when a rejected client gets its answer. */
  readonly lateAnswers: LateAnswers
  /** Whether a rejected client gets a close frame or an HTTP status (REJECT_WITH). */
  readonly rejectWith: 'close' | 'http'
  readonly encodeFrame: (text: string) => Buffer
  /** Whether log lines contain the address of the client. */
  readonly logAddresses: boolean
  readonly stats: Stats
  readonly log: Logger
}

/** The value of `Retry-After` with status 503. */
const RETRY_AFTER_MS = 5000

/** The handshake of one client. */
interface Attempt {
  readonly handshake: Handshake
  readonly request: HandshakeRequest
  readonly reply: Reply
  /** The address for the log. `undefined` if addresses are not logged. */
  readonly address: string | undefined
  /** The step for which the handshake waits, for the log. */
  waitsFor: 'checks' | 'onConnect'
}

function ignore(): void {
  // The server ignores what a rejected client sends.
}

const IGNORING: TransportListener = {
  onText: ignore,
  onExtraFrames: ignore,
  onBinary: ignore,
  onAlive: ignore,
  onDrain: ignore,
  onClosing: ignore,
  onClosed: ignore,
}

type Outcome = { readonly claims: TokenClaims | undefined } | 'refused' | 'unavailable'

export class HandshakeHandler {
  readonly #options: HandshakeHandlerOptions

  /** Rejected clients whose connection was accepted for the close frame, and whose closing handshake is not over. */
  readonly #closing = new Set<Transport>()

  constructor(options: HandshakeHandlerOptions) {
    this.#options = options
  }

  /** Terminates the rejected clients that have not disconnected yet. */
  dispose(): void {
    for (const transport of this.#closing) transport.terminate()
  }

  /** @param path The path of the WebSocket endpoint. */
  handle(handshake: Handshake, reply: Reply, path: string): void {
    const { admission, hookCalls, logAddresses } = this.#options
    const request = readHandshake(handshake, path)
    const address = logAddresses ? handshake.remoteAddress : undefined
    const attempt: Attempt = { handshake, request, reply, address, waitsFor: 'checks' }
    const mustWait =
      admission.asksForToken ||
      request.cursor !== undefined ||
      hookCalls.hasOnConnect ||
      admission.isHeldElsewhere(request, undefined)
    if (mustWait) this.#wait(attempt)
    else this.#decide(attempt, undefined)
  }

  /** Makes the checks that take time, and decides after them: admission decides on the connections of that moment. */
  #wait(attempt: Attempt): void {
    const { admission, pending, decisions, log } = this.#options
    const { request } = attempt
    const mayNotWait = admission.mayNotWait(request)
    if (mayNotWait) return this.#reject(attempt, mayNotWait)
    const handshake = pending.begin(request.clientId, (why) => this.#ended(attempt, why))
    void this.#check(attempt)
      .catch((error: unknown): Outcome => {
        log.error('error', { error, address: attempt.address }, 'a handshake could not be checked')
        return 'unavailable'
      })
      .then((outcome) =>
        decisions.add(() => {
          // Until then the handshake counts against MAX_CONNECTIONS.
          if (handshake.finish()) this.#answerChecked(attempt, outcome)
          return false
        }),
      )
  }

  #answerChecked(attempt: Attempt, outcome: Outcome): void {
    const { admission, log } = this.#options
    try {
      if (outcome === 'refused' || outcome === 'unavailable') {
        this.#reject(attempt, rejection(outcome, admission.localeOf(attempt.request)))
      } else this.#decide(attempt, outcome.claims)
    } catch (error) {
      log.error('error', { error }, 'a handshake could not be answered')
    }
  }

  async #check(attempt: Attempt): Promise<Outcome> {
    const { admission, feed, hookCalls, maxWaitForCursorMs } = this.#options
    const { request, handshake } = attempt
    const cursor = request.cursor === undefined ? undefined : parseCursor(request.cursor)
    const [claims] = await Promise.all([
      admission.claims(request),
      cursor && feed.waitForCursor(cursor, maxWaitForCursorMs),
    ])
    // During an outage of the journal, this instance cannot know whether it has only not yet read up to the cursor.
    // With `recovered: false` the server could report a loss that has not happened, and begin the client before entries
    // that the client has received.
    const isUndecided = cursor !== undefined && !feed.isAvailable && !feed.canRecover(cursor) && !feed.isVoid(cursor)
    if (claims === 'unavailable' || isUndecided) return 'unavailable'
    await admission.waitForName(request, claims)
    // The application is not asked about a client without a valid token, because admission rejects that client anyway.
    const isAsked = hookCalls.hasOnConnect && (claims !== undefined || !admission.asksForToken)
    if (!isAsked) return { claims }
    attempt.waitsFor = 'onConnect'
    const answer = await hookCalls.onConnect({ clientId: request.clientId ?? claims?.subject, request: handshake })
    if (answer === 'allowed') return { claims }
    return answer === 'refused' ? 'refused' : 'unavailable'
  }

  #ended(attempt: Attempt, why: HandshakeEnd): void {
    const { admission, hookCalls } = this.#options
    const { request, waitsFor, address } = attempt
    if (why === 'timeout' && waitsFor === 'onConnect') {
      hookCalls.failed('onConnect', new Error('no answer within HANDSHAKE_TIMEOUT'), {
        clientId: request.clientId,
        address,
      })
    }
    const reason = why === 'shutdown' ? 'shutting_down' : 'unavailable'
    this.#reject(attempt, rejection(reason, admission.localeOf(request)))
  }

  #decide(attempt: Attempt, claims: TokenClaims | undefined): void {
    const { admission, sessionSetup } = this.#options
    const { request, reply, address } = attempt
    const decision = admission.decide(request, claims)
    if (!decision.admitted) return this.#reject(attempt, decision)
    const retryInMs = sessionSetup.charge(decision)
    if (retryInMs > 0) return this.#reject(attempt, rejection('rate_limited', decision.locale, retryInMs))
    reply.accept((transport) => sessionSetup.welcome(transport, decision, address))
  }

  #reject(attempt: Attempt, why: Rejection): void {
    const { lateAnswers, stats, log } = this.#options
    const { request, handshake, address } = attempt
    const { reason, closeCode } = why
    countIn(stats.rejections, reason)
    log.info(
      'rejected',
      { reason, code: closeCode, ...(isClientId(request.clientId) && { clientId: request.clientId }), address },
      'a handshake was rejected',
    )
    lateAnswers.give(reason, handshake.remoteAddress, () => this.#answer(attempt.reply, why))
  }

  #answer(reply: Reply, { locale, closeReason, closeCode, httpStatus, retryInMs }: Rejection): void {
    const { rejectWith, encodeFrame } = this.#options
    const text = TEXTS[locale].reasons[closeReason]
    if (rejectWith === 'http') {
      const isTemporary = httpStatus === 503
      reply.reject({ status: httpStatus, text, retryInMs: isTemporary ? RETRY_AFTER_MS : retryInMs })
      return
    }
    // A browser does not reveal an HTTP status to the page. It does reveal a close code, so the server accepts the
    // connection first.
    reply.accept((transport) => {
      this.#closing.add(transport)
      transport.listener = { ...IGNORING, onClosed: () => this.#closing.delete(transport) }
      if (transport.isStrict) {
        const when = retryInMs === undefined ? {} : { retryInMs }
        const message: RejectedMessage = { type: 'rejected', code: closeCode, reason: text, ...when }
        transport.write(encodeFrame(JSON.stringify(message)))
      }
      transport.close(closeCode, text)
    })
  }
}
