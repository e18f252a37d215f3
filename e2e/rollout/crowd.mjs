/**
 * Many clients that talk in rooms while servers are replaced under them: some by @lastcall/client, some by a bare
 * WebSocket. Nothing is done to them; what happens is the deploy's doing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LibraryClient } from '../chaos/library-client.mjs'
import { PlainClient } from '../chaos/plain-client.mjs'

const CLIENTS_PER_ROOM = 50
/** So many at a time come in at the beginning. */
const BATCH = 25
const TICK_MS = 20
/** A connection that says nothing for so long is given up. */
const PATIENCE_MS = 10_000
const SETTLE_TIMEOUT_MS = 60_000

export class Crowd {
  clients
  #random
  #history
  #timer
  #said = 0

  constructor({ libraries, plain, endpoint, history, random }) {
    const rooms = Math.max(1, Math.round((libraries + plain) / CLIENTS_PER_ROOM))
    const make = (Client, prefix) => (_, index) => {
      const name = `${prefix}-${index + 1}`
      const channels = [`room-${(index % rooms) + 1}`]
      return new Client({
        name,
        channels,
        speaksIn: channels,
        endpoint,
        history,
        random: random.fork(name),
        patienceMs: PATIENCE_MS,
      })
    }
    this.#random = random.fork('talk')
    this.#history = history
    this.clients = [
      ...Array.from({ length: libraries }, make(LibraryClient, 'lib')),
      ...Array.from({ length: plain }, make(PlainClient, 'plain')),
    ]
  }

  /** Resolves when everybody is in. */
  async gather() {
    for (let index = 0; index < this.clients.length; index += BATCH) {
      const batch = this.clients.slice(index, index + BATCH)
      for (const client of batch) client.start()
      await this.#until(() => batch.every((client) => client.isDone(0)))
    }
  }

  /** So many messages a second, each to one room; now and then one to everybody. */
  talk(perSecond) {
    const begin = performance.now()
    const before = this.#said
    this.#timer = setInterval(() => {
      const due = before + ((performance.now() - begin) / 1000) * perSecond
      while (this.#said < due) {
        const client = this.#random.pick(this.clients)
        const channel = ++this.#said % 100 === 0 ? 'lobby' : this.#random.pick(client.speaksIn)
        client.publish({ channel }, { n: this.#said })
      }
    }, TICK_MS)
  }

  fallSilent() {
    clearInterval(this.#timer)
  }

  /** Resolves when everybody has been answered and has heard what there is to hear. */
  async settle() {
    await this.#until(() => this.clients.every((client) => client.isDone(0)))
    // Those that keep their cursor by hand say when they have heard this.
    this.clients[0].publish({ channel: 'lobby' }, 'the last word')
    const head = () => this.#history.events.reduce((most, { offset = 0 }) => Math.max(most, offset), 0)
    await this.#until(() => this.clients.every((client) => client.isDone(0)))
    const last = head()
    await this.#until(() => this.clients.every((client) => client.isDone(last)))
  }

  stop() {
    this.fallSilent()
    for (const client of this.clients) client.stop()
  }

  async #until(isSo) {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    while (!isSo()) {
      if (performance.now() > deadline) {
        for (const client of this.clients.filter((each) => !each.isDone(0)).slice(0, 10)) {
          this.#history.record('stuck', { text: client.report })
        }
        return
      }
      await sleep(TICK_MS)
    }
  }
}
