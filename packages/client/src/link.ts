/**
 * One connection: a WebSocket, from its handshake to its end. Says what comes, and its end, once.
 */
import type { Handshake } from './effects.js'
import { SUBPROTOCOL } from './messages.js'

/** What is needed of a WebSocket: those of browsers, of Node and of `ws` have it. */
export interface WebSocketLike {
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

export type WebSocketConstructor = new (url: string, protocol: string) => WebSocketLike

export interface LinkListener {
  onText(text: unknown): void
  /** 1006: without a close frame. */
  onEnd(code: number, reason: string): void
  /** The token could not be had, or the socket not be made. The end follows. */
  onFailed(error: unknown): void
}

export class Link {
  readonly #listener: LinkListener
  #socket: WebSocketLike | undefined
  #isOver = false

  constructor(listener: LinkListener) {
    this.#listener = listener
  }

  async open(
    url: string,
    WebSocket: WebSocketConstructor,
    handshake: Handshake,
    token: string | (() => string | Promise<string>) | undefined,
  ): Promise<void> {
    let socket: WebSocketLike
    try {
      const fresh = typeof token === 'function' ? await token() : token
      if (this.#isOver) return
      socket = new WebSocket(urlOf(url, handshake, fresh), SUBPROTOCOL)
    } catch (error) {
      if (this.#isOver) return
      this.#listener.onFailed(error)
      this.#end(1006, '')
      return
    }
    this.#socket = socket
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (!this.#isOver) this.#listener.onText(data)
    }
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => this.#end(code, reason)
    // `ws` throws what nobody listens to. What it means is said by `close`, which follows.
    socket.onerror = () => undefined
  }

  send(text: string): void {
    // On a socket that is closing it does nothing: the end is about to be told.
    this.#socket?.send(text)
  }

  /** The end is not told any more. */
  close(code: number, isDead: boolean): void {
    this.#isOver = true
    const socket: (WebSocketLike & { terminate?: () => void }) | undefined = this.#socket
    // `ws` can do without the peer's answer.
    if (isDead && socket?.terminate) socket.terminate()
    else socket?.close(code)
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#listener.onEnd(code, reason)
  }
}

/** The endpoint's URL as a WebSocket has it. In a browser it may be relative. */
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
