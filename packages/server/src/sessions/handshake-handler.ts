/**
 * What happens to a handshake between the front and the session: the checks that take time, the decision, and its answer
 * to the client. "Could not check" is an answer of its own: 1013, try again later.
 */
import { isClientId, parseCursor, TEXTS, type RejectedMessage } from '@lastcall/protocol'
import type { Handshake, Reply } from '../connections/front.js'
import type { Transport, TransportListener } from '../connections/transport.js'
import type { Feed } from '../hub/feed.js'
import type { Logger } from '../observability/log.js'
import { countIn, type Stats } from '../observability/stats.js'
import { rejection, type Admission, type Newcomer, type Rejection } from './admission.js'
import type { TokenClaims } from './token-verifier.js'
import { readHandshake } from './handshake.js'
import type { HookCalls } from './hook-calls.js'
import type { LateAnswers } from './late-answers.js'
import type { HandshakeEnd, PendingHandshakes } from './pending-handshakes.js'
import type { SessionSetup } from './session-setup.js'

export interface HandshakeHandlerOptions {
  readonly admission: Admission
  readonly pending: PendingHandshakes
  readonly sessionSetup: SessionSetup
  readonly feed: Pick<Feed, 'waitForCursor' | 'canRecover' | 'isVoid' | 'isAvailable'>
  /** How long a newcomer waits for this instance to read what another one has told it of already. */
  readonly maxWaitForCursorMs: number
  readonly hookCalls: HookCalls
  /** When a rejected client is answered. */
  readonly lateAnswers: LateAnswers
  /** How a rejected client is told. */
  readonly rejectWith: 'close' | 'http'
  readonly encodeFrame: (text: string) => Buffer
  /** Whether log lines name the address of the client. */
  readonly logAddresses: boolean
  readonly stats: Stats
  readonly log: Logger
}

/** What `Retry-After` says with 503. */
const RETRY_AFTER_MS = 5000

/** One client's handshake. */
interface Attempt {
  readonly handshake: Handshake
  readonly newcomer: Newcomer
  readonly reply: Reply
  /** For the log: absent where addresses are not logged. */
  readonly address: string | undefined
  /** What it waits for, while it does. */
  waitsFor: 'checks' | 'onConnect'
}

function ignore(): void {
  // A rejected client is not listened to.
}

const DEAF: TransportListener = {
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

  /** Rejected clients that were let in to be told why, and whose closing handshake is not over. */
  readonly #closing = new Set<Transport>()

  constructor(options: HandshakeHandlerOptions) {
    this.#options = options
  }

  /** Cuts the rejected clients that have not gone yet. */
  dispose(): void {
    for (const transport of this.#closing) transport.terminate()
  }

  /** @param path The path of the endpoint. */
  handle(handshake: Handshake, reply: Reply, path: string): void {
    const { admission, hookCalls, logAddresses } = this.#options
    const newcomer = readHandshake(handshake, path)
    const address = logAddresses ? handshake.remoteAddress : undefined
    const attempt: Attempt = { handshake, newcomer, reply, address, waitsFor: 'checks' }
    const mustWait =
      admission.asksForToken ||
      newcomer.cursor !== undefined ||
      hookCalls.hasOnConnect ||
      admission.isHeldElsewhere(newcomer, undefined)
    if (mustWait) this.#wait(attempt)
    else this.#decide(attempt, undefined)
  }

  /** The checks that take time come first: admission decides on the connections of that moment. */
  #wait(attempt: Attempt): void {
    const { admission, pending, log } = this.#options
    const { newcomer } = attempt
    const mayNotWait = admission.mayNotWait(newcomer)
    if (mayNotWait) return this.#reject(attempt, mayNotWait)
    const handshake = pending.begin(newcomer.clientId, (why) => this.#ended(attempt, why))
    this.#check(attempt)
      .catch((error: unknown): Outcome => {
        log.error('error', { error, address: attempt.address }, 'a handshake could not be checked')
        return 'unavailable'
      })
      .then((outcome) => {
        if (!handshake.finish()) return
        if (outcome === 'refused' || outcome === 'unavailable') {
          this.#reject(attempt, rejection(outcome, admission.localeOf(newcomer)))
        } else this.#decide(attempt, outcome.claims)
      })
      .catch((error: unknown) => log.error('error', { error }, 'a handshake could not be answered'))
  }

  async #check(attempt: Attempt): Promise<Outcome> {
    const { admission, feed, hookCalls, maxWaitForCursorMs } = this.#options
    const { newcomer, handshake } = attempt
    const cursor = newcomer.cursor === undefined ? undefined : parseCursor(newcomer.cursor)
    const [claims] = await Promise.all([
      admission.claims(newcomer),
      cursor && feed.waitForCursor(cursor, maxWaitForCursorMs),
    ])
    // Cut off from the journal, this instance cannot know whether the cursor is ahead of the journal or only of itself.
    // `recovered: false` would report a loss that may be none, and begin the client before what it has read already.
    const isUndecided = cursor !== undefined && !feed.isAvailable && !feed.canRecover(cursor) && !feed.isVoid(cursor)
    if (claims === 'unavailable' || isUndecided) return 'unavailable'
    await admission.waitForName(newcomer, claims)
    // A client without a valid token is rejected whatever the application would say of it.
    const isAsked = hookCalls.hasOnConnect && (claims !== undefined || !admission.asksForToken)
    if (!isAsked) return { claims }
    attempt.waitsFor = 'onConnect'
    const answer = await hookCalls.onConnect({ clientId: newcomer.clientId ?? claims?.subject, request: handshake })
    if (answer === 'allowed') return { claims }
    return answer === 'refused' ? 'refused' : 'unavailable'
  }

  #ended(attempt: Attempt, why: HandshakeEnd): void {
    const { admission, hookCalls } = this.#options
    const { newcomer, waitsFor, address } = attempt
    if (why === 'timeout' && waitsFor === 'onConnect') {
      hookCalls.failed('onConnect', new Error('no answer within HANDSHAKE_TIMEOUT'), {
        clientId: newcomer.clientId,
        address,
      })
    }
    const reason = why === 'shutdown' ? 'shutting_down' : 'unavailable'
    this.#reject(attempt, rejection(reason, admission.localeOf(newcomer)))
  }

  #decide(attempt: Attempt, claims: TokenClaims | undefined): void {
    const { admission, sessionSetup } = this.#options
    const { newcomer, reply, address } = attempt
    const decision = admission.decide(newcomer, claims)
    if (!decision.admitted) return this.#reject(attempt, decision)
    const retryInMs = sessionSetup.charge(decision)
    if (retryInMs > 0) return this.#reject(attempt, rejection('rate_limited', decision.locale, retryInMs))
    reply.accept((transport) => sessionSetup.welcome(transport, decision, address))
  }

  #reject(attempt: Attempt, why: Rejection): void {
    const { lateAnswers, stats, log } = this.#options
    const { newcomer, handshake, address } = attempt
    const { reason, closeCode } = why
    countIn(stats.rejections, reason)
    log.info(
      'rejected',
      { reason, code: closeCode, ...(isClientId(newcomer.clientId) && { clientId: newcomer.clientId }), address },
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
    // A browser cannot see an HTTP status. It can see why it is closed when it is let in first.
    reply.accept((transport) => {
      this.#closing.add(transport)
      transport.listener = { ...DEAF, onClosed: () => this.#closing.delete(transport) }
      if (transport.isStrict) {
        const when = retryInMs === undefined ? {} : { retryInMs }
        const message: RejectedMessage = { type: 'rejected', code: closeCode, reason: text, ...when }
        transport.write(encodeFrame(JSON.stringify(message)))
      }
      transport.close(closeCode, text)
    })
  }
}
