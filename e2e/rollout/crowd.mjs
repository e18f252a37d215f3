/**
 * A part of the crowd, in a process of its own: clients that talk in rooms while servers are replaced under them, some by
 * @lastcall/client, some by a bare WebSocket. Nothing is done to them; what happens is the deploy's doing. What they are
 * to do the parent process says, one command after the other (crowds.mjs).
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { History } from '../chaos/history.js'
import { LibraryClient } from '../chaos/library-client.js'
import { PlainClient } from '../chaos/plain-client.js'
import { Random } from '../chaos/random.js'

const CLIENTS_PER_ROOM = 50
/** So many at a time come in at the beginning. */
const BATCH = 25
const TICK_MS = 20
/** A connection that says nothing for so long is given up. */
const PATIENCE_MS = 10_000
const SETTLE_TIMEOUT_MS = 60_000

class Crowd {
  #clients
  #random
  #history
  #timer
  #said = 0

  constructor({ name, libraries, plain, endpoint, seed, startMs }) {
    const history = new History(startMs)
    const random = new Random(seed).fork(name)
    const rooms = Math.max(1, Math.round((libraries + plain) / CLIENTS_PER_ROOM))
    const make = (Client, kind) => (_, index) => {
      const channels = [`${name}-${(index % rooms) + 1}`]
      return new Client({
        name: `${name}-${kind}-${index + 1}`,
        channels,
        speaksIn: channels,
        endpoint: () => endpoint,
        history,
        random: random.fork(`${kind} ${index}`),
        patienceMs: PATIENCE_MS,
      })
    }
    this.#history = history
    this.#random = random
    this.#clients = [
      ...Array.from({ length: libraries }, make(LibraryClient, 'lib')),
      ...Array.from({ length: plain }, make(PlainClient, 'plain')),
    ]
  }

  /** Resolves when everybody is in, with the rooms. */
  async gather() {
    for (let index = 0; index < this.#clients.length; index += BATCH) {
      const batch = this.#clients.slice(index, index + BATCH)
      for (const client of batch) client.start()
      await this.#until(() => batch.every((client) => client.isDone(0)))
    }
    return [...new Set(this.#clients.flatMap(({ speaksIn }) => speaksIn))]
  }

  /** So many messages a second, each to one room; now and then one to everybody. */
  talk({ perSecond }) {
    const begin = performance.now()
    this.#timer = setInterval(() => {
      const due = ((performance.now() - begin) / 1000) * perSecond
      while (this.#said < due) {
        const client = this.#random.pick(this.#clients)
        const channel = ++this.#said % 100 === 0 ? 'lobby' : this.#random.pick(client.speaksIn)
        client.publish({ channel }, { n: this.#said })
      }
    }, TICK_MS)
  }

  /** Nothing more is said. Resolves when everybody has been answered. */
  async fallSilent() {
    clearInterval(this.#timer)
    await this.#until(() => this.#clients.every((client) => client.isDone(0)))
  }

  /** Those that keep their cursor by hand know that they have heard everything when they have heard this; with its place. */
  async sayTheLastWord() {
    this.#clients[0].publish({ channel: 'lobby' }, 'the last word')
    await this.#until(() => this.#clients[0].isDone(0))
    return this.#history.events.reduce((most, { offset = 0 }) => Math.max(most, offset), 0)
  }

  async hear({ upTo }) {
    await this.#until(() => this.#clients.every((client) => client.isDone(upTo)))
  }

  /** Everybody goes; what happened is in the file. */
  end({ file }) {
    for (const client of this.#clients) client.stop()
    writeFileSync(file, JSON.stringify(this.#history.events))
  }

  async #until(isSo) {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    while (!isSo()) {
      if (performance.now() > deadline) {
        for (const client of this.#clients.filter((each) => !each.isDone(0)).slice(0, 10)) {
          this.#history.record({ type: 'stuck', text: client.report })
        }
        return
      }
      await sleep(TICK_MS)
    }
  }
}

const crowd = new Crowd(JSON.parse(process.argv[2]))
process.on('message', ({ command, given }) => {
  void Promise.resolve(crowd[command](given)).then((result) => process.send({ result }))
})
// Its parent has gone.
process.on('disconnect', () => process.exit())
