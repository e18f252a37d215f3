/**
 * One connection: a WebSocket, from its handshake to its end. Reports each frame to its listener, and its end once.
 */
import type { Clock } from './clock.js'
import type { Handshake } from './effects.js'
import { SUBPROTOCOL } from './messages.js'

/** The part of a WebSocket that the client uses; those of browsers, of Node and of `ws` have it. */
export interface WebSocketLike {
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

export type WebSocketConstructor = new (url: string, protocol: string) => WebSocketLike

/** How a link ended, or why it could not be established. */
export interface LinkEnd {
  /** The close code; 1006: without a close frame. */
  readonly code: number
  readonly reason: string
  /** The exception that caused it: `token()` failed, or the socket could not be created or written to. */
  readonly cause?: unknown
}

export interface LinkListener {
  onFrame(frame: unknown): void
  /** Called once, and not after `close`. */
  onEnd(end: LinkEnd): void
}

/**
 * A stopped or hung server sends no close frame. Without this bound `ws` would keep the socket, and the process, alive for 30
 * s.
 */
const CLOSE_TIMEOUT_MS = 1000

export class Link {
  readonly #listener: LinkListener
  readonly #clock: Clock
  #socket: (WebSocketLike & { terminate?: () => void }) | undefined
  #isOver = false
  #problem = ''
  #stopCloseTimer: (() => void) | undefined

  constructor(listener: LinkListener, clock: Clock) {
    this.#listener = listener
    this.#clock = clock
  }

  async open(
    url: string,
    WebSocket: WebSocketConstructor,
    handshake: Handshake,
    token: string | (() => string | Promise<string>) | undefined,
  ): Promise<void> {
    try {
      const fresh = typeof token === 'function' ? await token() : token
      if (this.#isOver) return
      this.#listen((this.#socket = new WebSocket(urlOf(url, handshake, fresh), SUBPROTOCOL)))
    } catch (cause) {
      this.#failed(cause)
    }
  }

  send(text: string): void {
    try {
      // On a closing socket this does nothing, or throws, as in Cloudflare Workers.
      this.#socket?.send(text)
    } catch (cause) {
      const socket = this.#socket
      this.#failed(cause)
      closeQuietly(() => socket?.close())
    }
  }

  /**
   * Closes the link; the listener does not hear of its end. `isDead`: the peer no longer responds, so the client does not wait
   * for its close frame.
   */
  close(code: number, isDead: boolean): void {
    this.#isOver = true
    const socket = this.#socket
    if (!socket) return
    // Only `ws` has `terminate`. Browsers bound the wait themselves.
    const terminate = socket.terminate && (() => closeQuietly(() => socket.terminate?.()))
    if (isDead && terminate) terminate()
    else {
      if (terminate) this.#stopCloseTimer = this.#clock.after(CLOSE_TIMEOUT_MS, terminate)
      closeQuietly(() => socket.close(code))
    }
  }

  #listen(socket: WebSocketLike): void {
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (!this.#isOver) this.#listener.onFrame(data)
    }
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.#stopCloseTimer?.()
      this.#end({ code, reason: reason || this.#problem })
    }
    // `ws` throws an error event without a listener, and describes the error here; browsers give no description.
    socket.onerror = ({ message = '' }: { message?: string }) => void (this.#problem = message)
  }

  #failed(cause: unknown): void {
    this.#end({ code: 1006, reason: cause instanceof Error ? cause.message : String(cause), cause })
  }

  #end(end: LinkEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#listener.onEnd(end)
  }
}

/** Some implementations throw when a socket is closed twice, or too early. The client has no use for that error. */
function closeQuietly(close: () => void): void {
  try {
    close()
  } catch {
    // The client no longer uses this socket.
  }
}

/** The URL of the endpoint in the form for a WebSocket. In a browser it may be relative. */
export function endpointOf(url: string | URL): string {
  const endpoint = new URL(url, (globalThis as { location?: { href: string } }).location?.href)
  endpoint.protocol = endpoint.protocol.replace('http', 'ws')
  return endpoint.href
}

function urlOf(endpoint: string, { clientId, channels, ...others }: Handshake, token: string | undefined): string {
  const url = new URL(endpoint)
  if (clientId !== undefined) url.pathname = `${url.pathname.replace(/\/$/, '')}/${encodeURIComponent(clientId)}`
  const parameters = { ...others, channels: channels.join(','), token }
  for (const [name, value] of Object.entries(parameters)) if (value) url.searchParams.set(name, value)
  return url.href
}
