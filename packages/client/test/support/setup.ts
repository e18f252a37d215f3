/**
 * A client between a fake socket and a fake clock, with everything it tells written down.
 */
import { onTestFinished } from 'vitest'
import { connect, type Client, type ClientEvents, type ClientOptions } from '../../src/index.js'
import { FakeClock, settled } from './fake-clock.js'
import { fakeWebSockets, type FakeSocket } from './fake-socket.js'

const EVENTS = [
  ...(['state', 'welcome', 'message', 'direct', 'presence', 'periodic', 'shutdown', 'shutdownCancelled'] as const),
  ...(['recovered', 'move', 'throttled', 'error', 'close'] as const),
] satisfies (keyof ClientEvents)[]

type Told = { [Event in keyof ClientEvents]: ClientEvents[Event][] }

export interface Setup {
  readonly client: Client
  readonly clock: FakeClock
  readonly sockets: readonly FakeSocket[]
  readonly told: Told
  /** The newest socket. */
  readonly socket: FakeSocket
}

/** A client whose first attempt is under way. Jitter is at its most: each wait is as long as it can be. */
export async function start(options: ClientOptions = {}): Promise<Setup> {
  const clock = new FakeClock()
  const { sockets, WebSocket } = fakeWebSockets()
  const client = connect('ws://server/ws', { clock, webSocket: WebSocket, random: () => 1, ...options })
  const told = Object.fromEntries(EVENTS.map((event) => [event, []])) as unknown as Told
  for (const event of EVENTS) client.on(event, (payload) => void (told[event] as unknown[]).push(payload))
  onTestFinished(() => client.close())
  await settled()
  return {
    client,
    clock,
    sockets,
    told,
    get socket() {
      return sockets.at(-1) as FakeSocket
    },
  }
}

/** A client that is let in. */
export async function startOpen(options?: ClientOptions): Promise<Setup> {
  const setup = await start(options)
  setup.socket.welcome()
  return setup
}

/** Loses the connection and waits until there is another. */
export async function reconnect(setup: Setup, code = 1006): Promise<void> {
  const before = setup.sockets.length
  setup.socket.end(code)
  for (let waits = 0; setup.sockets.length === before; waits++) {
    if (waits > 100) throw new Error('it does not come back')
    await setup.clock.advance(1000)
  }
}
