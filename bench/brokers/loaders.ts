/** The processes that load the instances of a measurement. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isLoadFailure, isLoadState, type LoadCommand, type LoadState } from './load-commands.js'

const PROGRAM = fileURLToPath(new URL('load-process.js', import.meta.url))
/** A message that has not been delivered so long after its ack counts as lost. */
const LOSS_TIMEOUT_MS = 120_000
const POLL_MS = 20

/** One process, which loads one instance. */
class Loader {
  readonly name: string
  readonly pid: number
  readonly #child: ChildProcess

  constructor(name: string) {
    const child = fork(PROGRAM)
    if (child.pid === undefined) throw new Error(`the process ${name} could not be started`)
    this.name = name
    this.pid = child.pid
    this.#child = child
  }

  /** One command at a time. */
  async ask(command: LoadCommand): Promise<LoadState> {
    const answered = once(this.#child, 'message')
    this.#child.send(command)
    const received: readonly unknown[] = await answered
    const [answer] = received
    if (isLoadState(answer)) return answer
    throw new Error(`${this.name}: ${isLoadFailure(answer) ? answer.error : JSON.stringify(answer)}`)
  }

  end(): void {
    this.#child.disconnect()
  }
}

export interface LoadedServer {
  readonly name: string
  readonly port: number
}

export class Loaders {
  readonly #loaders: readonly Loader[]

  private constructor(loaders: readonly Loader[]) {
    this.#loaders = loaders
  }

  /**
   * Starts one process for each server. Resolves when the clients of all of them are connected.
   *
   * @param publishers Per server.
   * @param size Of a message's data, in bytes.
   */
  static async open(servers: readonly LoadedServer[], publishers: number, size: number): Promise<Loaders> {
    const allPublishers = Array.from({ length: servers.length * publishers }, (_, index) => index)
    const opening = servers.map(async ({ name, port }, index) => {
      const loader = new Loader(`load of ${name}`)
      const own = allPublishers.slice(index * publishers, (index + 1) * publishers)
      await loader.ask({ command: 'open', name: `load-${name}`, port, own, allPublishers, size })
      return loader
    })
    return new Loaders(await Promise.all(opening))
  }

  get processes(): { readonly name: string; readonly pid: number }[] {
    return this.#loaders.map(({ name, pid }) => ({ name, pid }))
  }

  #askAll(command: LoadCommand): Promise<LoadState[]> {
    return Promise.all(this.#loaders.map((loader) => loader.ask(command)))
  }

  /** @param rate Messages per second over all processes; 0: as many as the windows allow. */
  async start(rate: number): Promise<void> {
    await this.#askAll({ command: 'start', rate: rate / this.#loaders.length })
  }

  /** The counts of messages that each load process has published and received so far. */
  async sample(): Promise<LoadState[]> {
    return await this.#askAll({ command: 'sample' })
  }

  /** Stops publishing and waits until everything is delivered. Resolves with the faults of all processes. */
  async finish(): Promise<string[]> {
    const stopped = await this.#askAll({ command: 'stop' })
    const published = stopped.reduce((sum, each) => sum + each.published, 0)
    const deadlineMs = performance.now() + LOSS_TIMEOUT_MS
    let states = await this.sample()
    while (states.some(({ delivered }) => delivered < published) && performance.now() < deadlineMs) {
      await sleep(POLL_MS)
      states = await this.sample()
    }
    return faultsOf(states, published)
  }

  end(): void {
    for (const loader of this.#loaders) loader.end()
  }
}

function faultsOf(states: readonly LoadState[], published: number): string[] {
  const faults = states.flatMap((state) => state.faults)
  for (const { delivered } of states) {
    if (delivered !== published) faults.push(`${delivered} of ${published} messages were delivered to a subscriber`)
  }
  if (new Set(states.map(({ digest }) => digest)).size > 1) faults.push('two subscribers received different orders')
  return faults
}
