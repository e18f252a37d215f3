/**
 * A server over a journal that the application brings, written against what `lastcall` exports and nothing else.
 */
import { expect, test } from 'vitest'
import {
  createServer,
  decodeEntry,
  encodeEntry,
  LastcallError,
  type Entry,
  type Journal,
  type JournalListener,
  type NewEntry,
  type Tail,
} from '../../src/index.js'
import { startServer } from '../support/test-server.js'

/** Keeps the encoded entries in a list, for every server that is given the same journal. */
class ListJournal implements Journal {
  readonly isShared = true
  readonly #encoded: Buffer[] = []
  readonly #listeners = new Set<JournalListener>()
  isClosed = false

  async append(entries: readonly NewEntry[]): Promise<void> {
    if (this.isClosed) throw new LastcallError('wrong_state', 'the journal is closed')
    await Promise.resolve()
    if (entries.length === 0) return
    const first = this.#encoded.length
    this.#encoded.push(...entries.map(encodeEntry))
    for (const listener of this.#listeners) listener.onBatch(this.#entriesFrom(first))
  }

  #entriesFrom(first: number): Entry[] {
    return this.#encoded.slice(first).map((bytes, index) => decodeEntry(first + index + 1, bytes))
  }

  async tail(listener: JournalListener): Promise<Tail> {
    await Promise.resolve()
    listener.onEpoch('list', 1)
    if (this.#encoded.length > 0) listener.onBatch(this.#entriesFrom(0))
    this.#listeners.add(listener)
    return {
      stop: () => {
        this.#listeners.delete(listener)
        return Promise.resolve()
      },
    }
  }

  get readers(): number {
    return this.#listeners.size
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}

test('servers with one journal of the application serve one conversation, across a restart', async () => {
  const journal = new ListJournal()
  const options = { journal, presenceIntervalMs: 0, sessionSecret: 's'.repeat(32) }
  const [first, second] = [await startServer(options), await startServer(options)]
  const anna = await first.connect('anna')
  const bohdan = await second.connect('bohdan')
  await anna.publish('hello', { id: 'a-1' })
  const heard = await bohdan.first('message', ({ data }) => data === 'hello')
  expect(heard).toMatchObject({ from: 'anna', id: 'a-1' })
  const { cursor } = bohdan
  await bohdan.leave()
  await second.close()
  expect([journal.readers, journal.isClosed]).toEqual([1, false])

  await anna.publish('while you were away', { id: 'a-2' })
  const third = await startServer(options)
  const back = await third.connect(`bohdan?cursor=${cursor}`)
  expect(await back.first('welcome')).toMatchObject({ recovered: true })
  await back.first('message', ({ data }) => data === 'while you were away')
  expect(back.all('message')).toHaveLength(1)
})

test('a journal and a journalUrl exclude each other', async () => {
  const creating = createServer({ journal: new ListJournal(), journalUrl: 'memory:' })
  await expect(creating).rejects.toMatchObject({ code: 'config_invalid' })
})
