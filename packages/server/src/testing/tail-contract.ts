/** The contract suite: reading, retention, and several instances that share one journal. */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { encodeEntry } from '../journal/entry-codec.js'
import { record } from './recorder.js'
import { message, messages } from './sample-entries.js'
import { originsOf, type SuiteContext } from './suite-context.js'

export function describeTails({ framework: { describe, it }, open }: SuiteContext): void {
  describe('a tail', () => {
    it('a tail of an empty journal reports the epoch and the next offset', async () => {
      const recorder = await record(await open())
      const [first, ...more] = recorder.epochs
      match(first?.epoch ?? '', /^[a-zA-Z0-9_-]{1,64}$/)
      ok((first?.nextOffset ?? 0) >= 1)
      deepEqual(more, [])
      deepEqual(recorder.written, [])
    })

    it('a tail that begins late reports every retained entry before it resolves', async () => {
      const journal = await open()
      const appended = messages(2500)
      await journal.append(appended)
      const recorder = await record(journal)
      deepEqual(recorder.origins, originsOf(appended))
      equal(recorder.epochs.length, 1)
    })

    it('tails that begin during a storm of appends report each entry once, in the same order', async () => {
      const journal = await open()
      const recorders = [await record(journal)]
      for (let round = 0; round < 20; round++) {
        const appending = Promise.all(Array.from({ length: 50 }, () => journal.append(messages(3))))
        recorders.push(await record(journal))
        await appending
      }
      for (const recorder of recorders) {
        await recorder.until(({ written }) => written.length === 3000)
        deepEqual(recorder.origins, recorders[0]?.origins)
        deepEqual(recorder.offsets, recorders[0]?.offsets)
        deepEqual(recorder.epochs, recorders[0]?.epochs)
      }
    })

    it('a stopped tail reports nothing more', async () => {
      const journal = await open()
      const [stopped, other] = [await record(journal), await record(journal)]
      await journal.append(messages(1))
      await stopped.tail?.stop()
      const told = stopped.entries.length
      await journal.append(messages(1))
      await other.until(({ written }) => written.length === 2)
      equal(stopped.entries.length, told)
    })
  })
}

export function describeRetention({ framework: { describe, it }, open, now, advance }: SuiteContext): void {
  describe('retention', () => {
    it('the journal retains the newest entries up to maxEntries', async () => {
      const journal = await open({ maxEntries: 10 })
      const appended = messages(25)
      for (const entry of appended) await journal.append([entry])
      const { origins, entries } = await record(journal)
      // A placeholder may count as an entry: then fewer of the others are retained.
      ok(origins.length <= 10 && entries.length >= 10, `${origins.length} of ${entries.length} entries`)
      deepEqual(origins, originsOf(appended).slice(-origins.length))
    })

    it('the journal retains the newest entries up to maxBytes', async () => {
      const entry = message('x'.repeat(100), { sequence: 1 })
      const journal = await open({ maxBytes: encodeEntry(entry).length * 4 + 3 })
      const appended = Array.from({ length: 9 }, (_, index) => ({ ...entry, sequence: index + 1 }))
      for (const each of appended) await journal.append([each])
      deepEqual((await record(journal)).origins, originsOf(appended.slice(-4)))
    })

    it('the journal retains the newest entries up to maxAgeMs', async () => {
      const journal = await open({ maxAgeMs: 1000 })
      await journal.append([message('old', { at: now() })])
      advance(600)
      const newer = message('newer', { at: now() })
      await journal.append([newer])
      advance(600)
      const fresh = message('new', { at: now() })
      await journal.append([fresh])
      const before = await record(journal)
      deepEqual(before.origins, originsOf([newer, fresh]))
      advance(1100)
      const recorder = await record(journal)
      deepEqual(recorder.written, [])
      ok(recorder.lastOffset >= before.lastOffset)
    })

    it('a running tail reports entries that the journal evicts before the tail has read them', async () => {
      const journal = await open({ maxEntries: 3 })
      const recorder = await record(journal)
      await Promise.all([journal.append(messages(5)), journal.append(messages(5))])
      await recorder.until(({ written }) => written.length === 10)
      equal(recorder.epochs.length, 1)
    })
  })
}

export function describeSharing({ framework: { describe, it }, open, now, advance }: SuiteContext): void {
  describe('a shared journal', () => {
    it('every instance receives the entries of all instances in the same order', async () => {
      const journals = [await open(), await open(), await open()]
      const recorders = await Promise.all(journals.map(record))
      const appends = Array.from({ length: 200 }, (_, index) =>
        journals.map((journal, node) => journal.append([message(index, { node: `node-${node}`, sequence: index })])),
      )
      await Promise.all(appends.flat())
      for (const recorder of recorders) {
        await recorder.until(({ written }) => written.length === 600)
        deepEqual(recorder.origins, recorders[0]?.origins)
        deepEqual(recorder.epochs, recorders[0]?.epochs)
      }
      for (const node of ['node-0:', 'node-1:', 'node-2:']) {
        const own = recorders[0]?.origins.filter((origin) => origin.startsWith(node))
        deepEqual(
          own,
          Array.from({ length: 200 }, (_, index) => `${node}${index}`),
        )
      }
    })

    it('the journal continues at the next offset when it is opened again', async () => {
      const first = await open()
      await first.append(messages(3))
      const before = await record(first)
      await first.close()
      const second = await open()
      const recorder = await record(second)
      await second.append(messages(1))
      await recorder.until(({ written }) => written.length === 4)
      deepEqual(recorder.epochs, before.epochs)
      deepEqual(recorder.written.slice(0, 3), before.written)
    })

    it('the journal continues at the next offset when no entry is retained any more', async () => {
      const first = await open({ maxAgeMs: 1000 })
      await first.append(messages(3))
      const before = await record(first)
      await first.close()
      advance(2000)
      const second = await open({ maxAgeMs: 1000 })
      const recorder = await record(second)
      await second.append([message('new', { at: now() })])
      await recorder.until(({ written }) => written.length === 1)
      equal(recorder.epochs.length, 1)
      equal(recorder.epochs[0]?.epoch, before.epochs[0]?.epoch)
      ok((recorder.written[0]?.offset ?? 0) > before.lastOffset)
    })
  })
}
