/** The processes that load instances, as the measurement commands them. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('load-process.mjs', import.meta.url))
/** A message that has not been delivered so long after its ack counts as lost. */
const LOSS_TIMEOUT_MS = 120_000
const POLL_MS = 20

/** One process, which loads one instance. */
class Loader {
  name
  #child = fork(PROGRAM)

  constructor(name) {
    this.name = name
  }

  get pid() {
    return this.#child.pid
  }

  async ask(command, options = {}) {
    const answered = once(this.#child, 'message')
    this.#child.send({ command, ...options })
    const [{ answer, error }] = await answered
    if (error) throw new Error(`${this.name}: ${error}`)
    return answer
  }

  end() {
    this.#child.disconnect()
  }
}

export class Load {
  #loaders

  /**
   * @param {readonly { name: string, port: number }[]} servers One process loads each.
   * @param {object} options
   * @param {number} options.publishers Per server.
   * @param {number} options.size Of a message's data, in bytes.
   */
  static async open(servers, { publishers, size }) {
    const load = new Load()
    load.#loaders = servers.map(({ name }) => new Loader(`load of ${name}`))
    const allPublishers = Array.from({ length: servers.length * publishers }, (_, index) => index)
    await Promise.all(
      load.#loaders.map((loader, index) => {
        const { name, port } = servers[index]
        const own = allPublishers.slice(index * publishers, (index + 1) * publishers)
        return loader.ask('open', { name: `load-${name}`, port, own, allPublishers, size })
      }),
    )
    return load
  }

  get processes() {
    return this.#loaders.map(({ name, pid }) => ({ name, pid }))
  }

  #all(command, options) {
    return Promise.all(this.#loaders.map((loader) => loader.ask(command, options)))
  }

  /** @param {number} rate Messages per second over all processes; 0: as many as the windows allow. */
  async start(rate) {
    await this.#all('start', { rate: rate / this.#loaders.length })
  }

  /** The numbers of messages that each process has published and received so far. */
  async sample() {
    return await this.#all('sample')
  }

  /**
   * Stops publishing, waits until everything is delivered, and judges.
   *
   * @returns {Promise<{ published: number, faults: readonly string[] }>}
   */
  async finish() {
    const stopped = await this.#all('stop')
    const published = stopped.reduce((sum, each) => sum + each.published, 0)
    const deadline = performance.now() + LOSS_TIMEOUT_MS
    let results = await this.#all('result')
    while (results.some(({ delivered }) => delivered < published) && performance.now() < deadline) {
      await sleep(POLL_MS)
      results = await this.#all('result')
    }
    return { published, faults: faultsOf(results, published) }
  }

  end() {
    for (const loader of this.#loaders) loader.end()
  }
}

function faultsOf(results, published) {
  const faults = results.flatMap((result) => result.faults)
  for (const { delivered } of results) {
    if (delivered !== published) faults.push(`${delivered} of ${published} messages were delivered to a subscriber`)
  }
  if (new Set(results.map(({ digest }) => digest)).size > 1) faults.push('two subscribers received different orders')
  return faults
}
