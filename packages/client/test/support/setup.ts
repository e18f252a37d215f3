/**
 * A client between fake sockets and a fake clock, with a record of all its events.
 */
import { onTestFinished } from 'vitest'
import { connect, type Client, type ClientEvents, type ClientOptions } from '../../src/index.js'
import { FakeClock, settled } from './fake-clock.js'
import { fakeWebSockets, type FakeSocket } from './fake-socket.js'

const EVENTS = [
  ...(['state', 'welcome', 'message', 'direct', 'presence', 'periodic', 'shutdown', 'shutdownCancelled'] as const),
  ...(['recovered', 'move', 'throttled', 'error', 'close'] as const),
] satisfies (keyof ClientEvents)[]

type Events = { [Event in keyof ClientEvents]: ClientEvents[Event][] }

export interface Setup {
  readonly client: Client
  readonly clock: FakeClock
  readonly sockets: readonly FakeSocket[]
  readonly events: Events
  /** The newest socket. */
  readonly socket: FakeSocket
}

/** A client whose first attempt is under way. The jitter is at its maximum, so each wait has its full length. */
export async function start(options: ClientOptions = {}): Promise<Setup> {
  const clock = new FakeClock()
  const { sockets, WebSocket } = fakeWebSockets()
  const client = connect('ws://server/ws', { clock, webSocket: WebSocket, random: () => 1, ...options })
  const events = Object.fromEntries(EVENTS.map((event) => [event, []])) as unknown as Events
  for (const event of EVENTS) client.on(event, (payload) => void (events[event] as unknown[]).push(payload))
  onTestFinished(() => client.close())
  await settled()
  return {
    client,
    clock,
    sockets,
    events,
    get socket() {
      return sockets.at(-1) as FakeSocket
    },
  }
}

/** A client that the server has accepted. */
export async function startOpen(options?: ClientOptions): Promise<Setup> {
  const setup = await start(options)
  setup.socket.welcome()
  return setup
}

/** Ends the connection and waits until the client opens another. */
export async function reconnect(setup: Setup, code = 1006): Promise<void> {
  const before = setup.sockets.length
  setup.socket.end(code)
  for (let waits = 0; setup.sockets.length === before; waits++) {
    if (waits > 100) throw new Error('the client does not reconnect')
    await setup.clock.advance(1000)
  }
}
