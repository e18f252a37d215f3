/** The contract suite: appending and closing. */
import { deepEqual, equal } from 'node:assert/strict'
import { encodeEntry } from '../journal/entry-codec.js'
import type { NewEntry } from '../journal/journal.js'
import { record, Recorder } from './recorder.js'
import { message, messages } from './sample-entries.js'
import { expectRefusal, originsOf, type SuiteContext } from './suite-context.js'

export function describeAppending({ framework: { describe, it }, open }: SuiteContext): void {
  describe('appending', () => {
    it('the journal delivers entries unchanged, with growing offsets', async () => {
      const journal = await open()
      const recorder = await record(journal)
      const given: NewEntry[] = [
        message({ text: 'привіт 👋' }, { id: 'first' }),
        { kind: 'direct', to: 'bohdan', from: 'anna', data: '"psst"', at: 7, node: 'n', sequence: 8 },
        {
          ...{ kind: 'members', changes: [{ channels: ['lobby'], joined: ['anna'], left: ['vira', 'ivan'] }] },
          ...{ at: 9, node: 'n', sequence: 10 },
        },
        {
          ...{ kind: 'instance', build: 'v2', state: 'draining', connections: 3, lagMs: 2, startedAtMs: 1 },
          ...{ at: 11, node: 'n', sequence: 12 },
        },
        { kind: 'rosterRequest', of: 'm', at: 13, node: 'n', sequence: 14 },
      ]
      await journal.append(given)
      await recorder.until(({ written }) => written.length === given.length)
      const expected = given.map((entry, index) => ({
        ...entry,
        offset: recorder.written[index]?.offset,
        bytes: encodeEntry(entry).length,
      }))
      deepEqual(recorder.written.map(plain), expected)
    })

    it('the journal calls no listener before append has returned', async () => {
      const journal = await open()
      const recorder = await record(journal)
      const appending = journal.append(messages(1))
      deepEqual(recorder.written, [])
      await appending
    })

    it('the journal keeps the order of the calls, and the order within each call', async () => {
      const journal = await open()
      const recorder = await record(journal)
      const batches = Array.from({ length: 100 }, (_, index) => messages((index % 7) + 1))
      await Promise.all(batches.map((batch) => journal.append(batch)))
      await recorder.until(({ written }) => written.length === batches.flat().length)
      deepEqual(recorder.origins, originsOf(batches.flat()))
    })

    it('an append of no entries resolves and appends nothing', async () => {
      const journal = await open()
      const recorder = await record(journal)
      await journal.append([])
      await journal.append([message('marker')])
      await recorder.until(({ written }) => written.length > 0)
      deepEqual(dataOf(recorder), ['"marker"'])
    })

    it('the journal takes large entries and every character', async () => {
      const journal = await open()
      const recorder = await record(journal)
      const large = message('ї'.repeat(1_000_000), { channel: 'a:b.c-d' })
      const odd = message('\0\n\r\u2028"\\\uffff\u{1f600}', { from: 'x', id: 'y' })
      const after = message('after')
      await Promise.all([journal.append([large, odd]), journal.append([after])])
      await recorder.until(({ written }) => written.length === 3)
      const expected = [large, odd, after].map((entry) => ('data' in entry ? entry.data : undefined))
      deepEqual(dataOf(recorder), expected)
    })

    it('the journal refuses an entry larger than its retention, with the other entries of the same append', async () => {
      const journal = await open({ maxBytes: 1000 })
      const recorder = await record(journal)
      const tooLarge = journal.append([message('small'), message('x'.repeat(1000))])
      await expectRefusal(tooLarge, 'entry_too_large', false)
      await journal.append([message('marker')])
      await recorder.until(({ written }) => written.length > 0)
      deepEqual(dataOf(recorder), ['"marker"'])
    })
  })
}

export function describeClosing({ framework: { describe, it }, open }: SuiteContext): void {
  describe('closing', () => {
    it('close settles the appends that are under way', async () => {
      const journal = await open()
      const appending = Promise.all(Array.from({ length: 20 }, () => journal.append(messages(2))))
      await journal.close()
      equal((await appending).length, 20)
    })

    it('close ends all tails and refuses further appends; a second close does nothing', async () => {
      const journal = await open()
      const recorder = await record(journal)
      const appending = journal.append(messages(1))
      await Promise.all([journal.close(), journal.close()])
      const told = recorder.entries.length
      await appending
      await expectRefusal(journal.append(messages(1)), 'wrong_state', false)
      await expectRefusal(journal.tail(new Recorder()), 'wrong_state', false)
      await recorder.tail?.stop()
      await journal.close()
      equal(recorder.entries.length, told)
    })
  })
}

/** Removes the fields that are `undefined`. */
const plain = (entry: object): unknown => JSON.parse(JSON.stringify(entry))

const dataOf = ({ written }: Recorder): unknown[] => written.map((entry) => ('data' in entry ? entry.data : undefined))
