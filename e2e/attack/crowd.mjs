/** Honest clients in a room of their own: each publishes a message a second, and they measure how long each takes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

const SECOND_MS = 1000

export class Crowd {
  #clients = []
  #faults = []
  /** When each message without an ack was published, and what its ack is to add to. */
  #unacked = new Map()
  #number = 0

  static async enter(port, count) {
    const crowd = new Crowd()
    for (let index = 0; index < count; index++) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/honest-${index}?channels=room`)
      socket.on('error', (error) => crowd.#faults.push(`an honest client: ${error.message}`))
      socket.on('close', (code) => crowd.#faults.push(`an honest client was closed with ${code}`))
      socket.on('message', (data) => crowd.#read(data.toString()))
      await new Promise((resolve, reject) => {
        socket.once('message', resolve)
        socket.once('close', () => reject(new Error('an honest client was not let in')))
      })
      crowd.#clients.push(socket)
    }
    return crowd
  }

  #read(text) {
    if (!text.startsWith('{"type":"ack"')) return
    const { id } = JSON.parse(text)
    const published = this.#unacked.get(id)
    if (!published) return
    this.#unacked.delete(id)
    published.latencies.push(performance.now() - published.atMs)
  }

  /** Publishes for so many seconds, evenly, one message of each client a second. The answer is how long the acks took. */
  async publishFor(seconds) {
    const latencies = []
    const startedAt = performance.now()
    const total = Math.round(this.#clients.length * seconds)
    for (let count = 0; count < total; count++) {
      const dueMs = startedAt + (count * SECOND_MS) / this.#clients.length - performance.now()
      if (dueMs > 0) await sleep(dueMs)
      const id = `h-${this.#number++}`
      this.#unacked.set(id, { atMs: performance.now(), latencies })
      const message = { type: 'message', channel: 'room', id, data: 'x'.repeat(100) }
      this.#clients[count % this.#clients.length].send(JSON.stringify(message))
    }
    // What has no ack by now counts with the time that it has waited.
    await sleep(SECOND_MS / 2)
    const now = performance.now()
    const waiting = [...this.#unacked.values()].filter((published) => published.latencies === latencies)
    const sorted = [...latencies, ...waiting.map(({ atMs }) => now - atMs)].toSorted((a, b) => a - b)
    const part = (share) => sorted[Math.floor((sorted.length - 1) * share)] ?? NaN
    return { count: latencies.length, p50: part(0.5), p99: part(0.99), longest: part(1) }
  }

  /** Waits for the acks that are missing, and names what went wrong. */
  async faults(giveUpMs) {
    const until = performance.now() + giveUpMs
    while (this.#unacked.size > 0 && performance.now() < until) await sleep(50)
    if (this.#unacked.size > 0) this.#faults.push(`${this.#unacked.size} messages of honest clients have no ack`)
    return [...this.#faults]
  }

  leave() {
    for (const socket of this.#clients) {
      socket.removeAllListeners('close')
      socket.close()
    }
  }
}
