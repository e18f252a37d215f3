/**
 * A client on a bare WebSocket: what it publishes is acknowledged or refused, and it remembers what it was sent.
 */
import { WebSocket } from 'ws'
import { inWords, must, within } from './within.js'

export class Visitor {
  messages = []
  /** Resolves with the close code. */
  closed
  /** The data of each message that the server acknowledged. */
  acked = []
  /** The codes of the refusals. */
  refused = []
  /** How long each ack took. */
  waitsMs = []
  #socket
  #checks = new Set()
  #hasEnded = false
  #count = 0
  #name

  constructor(webSocketUrl, name, query = '') {
    this.#name = name
    this.#socket = new WebSocket(`${webSocketUrl}/${name}${query}`, 'lastcall.v1')
    this.#socket.on('error', () => undefined)
    this.#socket.on('message', (bytes) => {
      this.messages.push(JSON.parse(bytes.toString()))
      this.#look()
    })
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', (code) => {
        this.#hasEnded = true
        resolve(code)
        this.#look()
      })
    })
  }

  /** Resolves when the server has let it in. */
  static async connect(webSocketUrl, name, query) {
    const visitor = new Visitor(webSocketUrl, name, query)
    await visitor.first(({ type }) => type === 'welcome')
    return visitor
  }

  #look() {
    for (const check of [...this.#checks]) check()
  }

  get welcome() {
    return this.messages.find(({ type }) => type === 'welcome')
  }

  get isConnected() {
    return !this.#hasEnded
  }

  /** The data of the channel messages that came, in order. */
  get heard() {
    return this.messages.filter(({ type }) => type === 'message').map(({ data }) => data)
  }

  /** Resolves with the first message that fits; rejects if the connection ends first. */
  first(fits) {
    const found = new Promise((resolve, reject) => {
      const check = () => {
        const message = this.messages.find(fits)
        if (!message && !this.#hasEnded) return
        this.#checks.delete(check)
        if (message) resolve(message)
        else reject(new Error(`the connection of ${this.#name} ended: ${JSON.stringify(this.messages.slice(-2))}`))
      }
      this.#checks.add(check)
      check()
    })
    return within(`a message for ${this.#name}`, found)
  }

  /** Publishes. Resolves with whether the server acknowledged it; a refusal must be temporary. */
  async publish(size = 20, id = `${this.#name.slice(0, 40)}-${++this.#count}`) {
    const data = id.padEnd(size, '.')
    const from = this.messages.length
    const startMs = performance.now()
    this.#socket.send(JSON.stringify({ type: 'message', channel: 'lobby', id, data }))
    const isAnswer = (message) => message.id === id && (message.type === 'ack' || message.type === 'error')
    const answer = await this.first((message) => isAnswer(message) && this.messages.indexOf(message) >= from)
    if (answer.type === 'ack') {
      this.waitsMs.push(performance.now() - startMs)
      this.acked.push(data)
      return true
    }
    must(answer.code === 'journal_unavailable' && answer.temporary, `${id} was refused: ${JSON.stringify(answer)}`)
    this.refused.push(answer.code)
    return false
  }

  /** Publishes so many, one after the other; all must be acknowledged. */
  async publishAll(count, size) {
    for (let index = 0; index < count; index++) must(await this.publish(size), 'a message was refused')
  }

  /** Publishes until the server answers so. Resolves with how long that took. */
  async publishUntil(isAcked, size) {
    const startMs = performance.now()
    const repeated = async () => {
      while ((await this.publish(size)) !== isAcked) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await within(isAcked ? 'an ack' : 'a refusal', repeated())
    return performance.now() - startMs
  }

  /** The longest wait for an ack but for one of a hundred. */
  get p99() {
    const sorted = this.waitsMs.toSorted((a, b) => a - b)
    return inWords(sorted[Math.floor(sorted.length * 0.99)] ?? 0)
  }

  leave() {
    this.#socket.close(1000)
  }
}

/**
 * A newcomer that resumes with this cursor, which is older than the messages: each of them must be in the journal once.
 */
export async function mustHaveAll(webSocketUrl, cursor, acked) {
  const reader = await Visitor.connect(webSocketUrl, 'reader', `?cursor=${encodeURIComponent(cursor)}`)
  must(reader.welcome.recovered === true, 'the journal no longer has its first messages')
  must(await reader.publish(20, `marker-${Date.now()}`), 'the marker was refused')
  const counts = new Map()
  for (const data of reader.heard) counts.set(data, (counts.get(data) ?? 0) + 1)
  const lost = acked.filter((data) => !counts.has(data)).length
  const twice = acked.filter((data) => (counts.get(data) ?? 0) > 1).length
  must(lost === 0 && twice === 0, `of ${acked.length} acknowledged messages ${lost} were lost, ${twice} came twice`)
  reader.leave()
}
