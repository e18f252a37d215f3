/**
 * The `upgrade` requests of an HTTP server: reads the handshake, asks admission, and has the socket accepted, closed with
 * a code, or answered with an HTTP status.
 */
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { parseCursor, TEXTS } from '@lastcall/protocol'
import { rejection, type Admission, type Newcomer, type Rejection } from '../sessions/admission.js'
import type { Hooks } from '../sessions/hooks.js'
import type { SessionSetup } from '../sessions/session-setup.js'
import type { Hub } from '../hub/hub.js'
import type { Logger } from '../observability/log.js'
import { countIn, type Stats } from '../observability/stats.js'
import type { WebSocketAcceptor } from './websocket-transport.js'

export interface UpgradeOptions {
  /** Where the endpoint is: `PATH` and `PATH/{clientId}`. */
  readonly path: string
  readonly admission: Admission
  readonly sessionSetup: SessionSetup
  readonly acceptor: WebSocketAcceptor
  readonly hub: Pick<Hub, 'waitForCursor'>
  readonly onConnect: Hooks['onConnect']
  /** How who may not come in is told. */
  readonly rejectWith: 'close' | 'http'
  /** Whether upgrades of other paths are refused with 404, or left to somebody else's listener. */
  readonly refuseOthers: boolean
  readonly stats: Stats
  readonly log: Logger
}

/** How long a newcomer waits for this instance to read what another one has told it of already. */
const MAX_WAIT_FOR_CURSOR_MS = 1000

/** What `Retry-After` says to who may come later, in seconds. */
const RETRY_AFTER_SECONDS = 5

/** How long who was answered may take to go. */
const LINGER_MS = 1000

/** Serves the endpoint on this server. The answer stops that, and ends who was turned away and has not gone yet. */
export function serveUpgrades(server: Server, given: UpgradeOptions): () => void {
  const options: Upgrades = { ...given, turnedAway: new Set() }
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const newcomer = readHandshake(request, options.path)
    if (newcomer === undefined && !options.refuseOthers) return
    if (newcomer === undefined) {
      answer(socket, 404, `WebSockets are served at ${options.path}/{clientId}`)
      return
    }
    receive(request, socket, head, newcomer, options)
  }
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('upgrade', onUpgrade)
    for (const socket of options.turnedAway) socket.destroy()
  }
}

interface Upgrades extends UpgradeOptions {
  readonly turnedAway: Set<Duplex>
}

function receive(request: IncomingMessage, socket: Duplex, head: Buffer, newcomer: Newcomer, options: Upgrades): void {
  const { admission, onConnect, log } = options
  if (!admission.asksForToken && newcomer.cursor === undefined && !onConnect) {
    admit(request, socket, head, newcomer, undefined, options)
    return
  }
  // Until it is accepted nobody else listens: who resets the connection meanwhile needs no answer.
  socket.on('error', ignore)
  check(request, socket, head, newcomer, options).catch((error: unknown) => {
    log.error('error', { error }, 'a newcomer could not be checked')
    turnAway(request, socket, head, rejection('refused', admission.localeOf(newcomer)), options)
  })
}

/** What takes time comes first: admission decides on who is connected at that moment. */
async function check(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  newcomer: Newcomer,
  options: Upgrades,
): Promise<void> {
  const { admission, hub, onConnect } = options
  const cursor = newcomer.cursor === undefined ? undefined : parseCursor(newcomer.cursor)
  const [claims] = await Promise.all([
    admission.claims(newcomer),
    cursor && hub.waitForCursor(cursor, MAX_WAIT_FOR_CURSOR_MS),
  ])
  // Who has no valid token is turned away whatever the application would say of it.
  const isAsked = onConnect !== undefined && (claims !== undefined || !admission.asksForToken)
  const isWelcome = !isAsked || (await onConnect({ clientId: newcomer.clientId ?? claims?.subject, request })) !== false
  if (isWelcome) admit(request, socket, head, newcomer, claims, options)
  else turnAway(request, socket, head, rejection('refused', admission.localeOf(newcomer)), options)
}

function admit(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  newcomer: Newcomer,
  claims: Awaited<ReturnType<Admission['claims']>>,
  options: Upgrades,
): void {
  const { admission, sessionSetup, acceptor } = options
  const decision = admission.decide(newcomer, claims)
  if (decision.admitted) {
    acceptor.accept(request, socket, head, (transport) => sessionSetup.welcome(transport, decision))
  } else turnAway(request, socket, head, decision, options)
}

function turnAway(request: IncomingMessage, socket: Duplex, head: Buffer, why: Rejection, options: Upgrades): void {
  const { acceptor, rejectWith, stats, log, turnedAway } = options
  countIn(stats.rejections, why.reason)
  log.info('rejected', { reason: why.reason, code: why.closeCode }, 'a newcomer was turned away')
  const text = TEXTS[why.locale].reasons[why.closeReason]
  turnedAway.add(socket)
  socket.once('close', () => turnedAway.delete(socket))
  if (rejectWith === 'http') answer(socket, why.httpStatus, text)
  // A browser can't see an HTTP status: let in and closed at once, it can see why.
  else acceptor.accept(request, socket, head, (transport) => transport.close(why.closeCode, text))
}

/** Answers the upgrade with an HTTP response, and reads on to the peer's end: what nobody reads is never over. */
function answer(socket: Duplex, status: number, text: string): void {
  socket.on('error', ignore)
  const overdue = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(overdue))
  socket.resume()
  const body = `${text}\n`
  socket.end(
    [
      `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}`,
      'Connection: close',
      'Content-Type: text/plain; charset=utf-8',
      `Content-Length: ${String(Buffer.byteLength(body))}`,
      ...(status === 503 || status === 429 ? [`Retry-After: ${String(RETRY_AFTER_SECONDS)}`] : []),
      '',
      body,
    ].join('\r\n'),
  )
}

/** What the handshake says; `undefined`: the request is for another endpoint. */
function readHandshake(request: IncomingMessage, path: string): Newcomer | undefined {
  const target = request.url ?? ''
  const mark = target.indexOf('?')
  const pathname = mark < 0 ? target : target.slice(0, mark)
  if (pathname !== path && !pathname.startsWith(`${path}/`)) return undefined
  const rest = pathname.slice(path.length + 1)
  const { headers } = request
  const common = {
    clientId: rest === '' ? undefined : decoded(rest),
    origin: headers.origin,
    acceptLanguage: headers['accept-language'],
  }
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  const query = mark < 0 ? undefined : new URLSearchParams(target.slice(mark + 1))
  const parameter = (name: string): string | undefined => query?.get(name) ?? undefined
  return {
    ...common,
    token: parameter('token') ?? bearer,
    cursor: parameter('cursor'),
    channels: parameter('channels'),
    session: parameter('session'),
    avoid: parameter('avoid'),
  }
}

/** What can't be decoded is no clientId either: admission will say so. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function ignore(): void {
  // Nothing to do: see where it is registered.
}
