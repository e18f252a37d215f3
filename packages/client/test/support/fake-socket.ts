/**
 * A WebSocket whose other end is the test.
 */
import type { WebSocketLike } from '../../src/index.js'
import type { ServerMessage, WelcomeMessage } from '../../src/messages.js'

type Handler<Event> = ((event: Event) => void) | null

export class FakeSocket implements WebSocketLike {
  readonly url: URL
  readonly protocol: string
  onmessage: Handler<{ data: unknown }> = null
  onclose: Handler<{ code: number; reason: string }> = null
  onerror: Handler<unknown> = null
  /** The messages that the client has sent. */
  readonly sent: Record<string, unknown>[] = []
  /** The code with which the client closed this socket. */
  closedWith: number | undefined
  isTerminated = false

  constructor(url: string, protocol: string) {
    this.url = new URL(url)
    this.protocol = protocol
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(code?: number): void {
    this.closedWith = code ?? 1005
  }

  terminate(): void {
    this.isTerminated = true
  }

  // ——— the server's end

  receive(message: ServerMessage): void {
    this.receiveText(JSON.stringify(message))
  }

  receiveText(data: unknown): void {
    this.onmessage?.({ data })
  }

  welcome(welcome: Partial<WelcomeMessage> = {}): void {
    this.receive({
      type: 'welcome',
      clientId: 'anna',
      session: 'secret',
      cursor: this.parameter('cursor') ?? 'e:0',
      recovered: this.parameter('cursor') === null ? null : true,
      channels: ['lobby', ...(this.parameter('channels')?.split(',') ?? [])],
      node: 'n1',
      heartbeatSeconds: 25,
      ...welcome,
    })
  }

  receiveMessage(offset: number, data: unknown = offset, channel = 'lobby'): void {
    const at = '2024-01-01T00:00:00.000Z'
    this.receive({ type: 'message', channel, from: 'boris', data: data as number, offset, at })
  }

  end(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason })
  }

  parameter(name: string): string | null {
    return this.url.searchParams.get(name)
  }

  /** The sent messages of a type. */
  sentOf(type: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message['type'] === type)
  }
}

/** A constructor of sockets, and the list of all sockets that it constructed. */
export function fakeWebSockets(): { readonly sockets: FakeSocket[]; readonly WebSocket: typeof FakeSocket } {
  const sockets: FakeSocket[] = []
  class WebSocket extends FakeSocket {
    constructor(url: string, protocol: string) {
      super(url, protocol)
      sockets.push(this)
    }
  }
  return { sockets, WebSocket }
}
