/**
 * What every journal promises (journal.ts), as tests. One suite, run for each engine.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, type Clock } from '../../src/clock.js'
import type { Journal, NewEntry, Retention } from '../../src/journal/journal.js'
import { encodeEntry } from '../../src/journal/entry-codec.js'
import { message, messages, record, Recorder } from './recorder.js'

export const UNLIMITED: Retention = { maxEntries: 1e9, maxAgeMs: 1e12, maxBytes: 1e12 }

export interface JournalOptions {
  readonly retention: Retention
  readonly clock: Clock
}

/** A place of its own for each test. */
export interface JournalPlace {
  open(options: JournalOptions): Promise<Journal>
  dispose(): Promise<void>
}

/** @param isShared whether several journals opened in one place are one journal. */
export function describeJournal(name: string, makePlace: () => Promise<JournalPlace>, { isShared = false } = {}): void {
  describe(name, () => {
    let place: JournalPlace
    let opened: Journal[]
    let now: number
    const clock: Clock = { ...systemClock, now: () => now }

    beforeEach(async () => {
      now = Date.now()
      opened = []
      place = await makePlace()
    })

    afterEach(async () => {
      await Promise.all(opened.map((journal) => journal.close()))
      await place.dispose()
    })

    async function open(retention: Partial<Retention> = {}): Promise<Journal> {
      const journal = await place.open({ retention: { ...UNLIMITED, ...retention }, clock })
      opened.push(journal)
      return journal
    }

    it('says whether other instances may read it, too', async () => {
      expect((await open()).isShared).toBe(isShared)
    })

    describe('appending', () => {
      it('tells entries as they were given, with offsets 1, 2, 3', async () => {
        const journal = await open()
        const recorder = await record(journal)
        const given: NewEntry[] = [
          message({ text: 'привіт 👋' }, { id: 'first' }),
          { kind: 'direct', to: 'bohdan', from: 'anna', data: '"psst"', at: 7, node: 'n', sequence: 8 },
          {
            ...{ kind: 'presence', channel: 'lobby', joined: ['anna'], left: ['vira', 'ivan'] },
            ...{ joinedCount: 1, leftCount: 2, active: 3, at: 9, node: 'n', sequence: 10 },
          },
          { kind: 'instance', build: 'v2', state: 'draining', at: 11, node: 'n', sequence: 12 },
          { kind: 'arrival', clients: ['anna', 'bohdan'], at: 13, node: 'n', sequence: 14 },
        ]
        await journal.append(given)
        await recorder.until(({ lastOffset }) => lastOffset === given.length)
        const expected = given.map((entry, index) => ({
          ...entry,
          offset: index + 1,
          bytes: encodeEntry(entry).length,
        }))
        expect(recorder.entries).toEqual(expected)
      })

      it('does not call a listener before append has returned', async () => {
        const journal = await open()
        const recorder = await record(journal)
        const appending = journal.append(messages(1))
        expect(recorder.entries).toEqual([])
        await appending
      })

      it('keeps the entries of an append together, and appends in the order of the calls', async () => {
        const journal = await open()
        const recorder = await record(journal)
        const batches = Array.from({ length: 100 }, (_, index) => messages((index % 7) + 1))
        await Promise.all(batches.map((batch) => journal.append(batch)))
        await recorder.until(({ lastOffset }) => lastOffset === batches.flat().length)
        expect(recorder.origins).toEqual(batches.flat().map(({ node, sequence }) => `${node}:${sequence}`))
      })

      it('resolves an append of nothing and appends nothing', async () => {
        const journal = await open()
        const recorder = await record(journal)
        await journal.append([])
        await journal.append([message('marker')])
        await recorder.until(({ lastOffset }) => lastOffset > 0)
        expect(recorder.lastOffset).toBe(1)
      })

      it('takes large entries and every character', async () => {
        const journal = await open()
        const recorder = await record(journal)
        const large = message('ї'.repeat(1_000_000), { channel: 'a:b.c-d' })
        const odd = message('\0\n\r\u2028"\\\uffff\u{1f600}', { from: 'x', id: 'y' })
        await Promise.all([journal.append([large, odd]), journal.append([message('after')])])
        await recorder.until(({ lastOffset }) => lastOffset === 3)
        expect(recorder.entries[0]).toMatchObject(large)
        expect(recorder.entries[1]).toMatchObject(odd)
      })

      it('refuses an entry larger than all that is kept, with those that were to come with it', async () => {
        const journal = await open({ maxBytes: 1000 })
        const recorder = await record(journal)
        const tooLarge = journal.append([message('small'), message('x'.repeat(1000))])
        await expect(tooLarge).rejects.toMatchObject({ code: 'entry_too_large', temporary: false })
        await journal.append([message('marker')])
        await recorder.until(({ lastOffset }) => lastOffset > 0)
        expect(recorder.entries).toMatchObject([{ offset: 1, data: '"marker"' }])
      })
    })

    describe('a tail', () => {
      it('of an empty journal is told the epoch and that the next offset is 1', async () => {
        const recorder = await record(await open())
        expect(recorder.epochs).toEqual([
          { epoch: expect.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/) as string, nextOffset: 1 },
        ])
        expect(recorder.entries).toEqual([])
      })

      it('that begins late is told everything from the oldest on before it resolves', async () => {
        const journal = await open()
        await journal.append(messages(2500))
        const recorder = await record(journal)
        expect(recorder.lastOffset).toBe(2500)
        expect(recorder.epochs).toMatchObject([{ nextOffset: 1 }])
      })

      it('is told everything once, like all others, whenever it begins in a storm of appends', async () => {
        const journal = await open()
        const recorders = [await record(journal)]
        for (let round = 0; round < 20; round++) {
          const appending = Promise.all(Array.from({ length: 50 }, () => journal.append(messages(3))))
          recorders.push(await record(journal))
          await appending
        }
        for (const recorder of recorders) {
          await recorder.until(({ lastOffset }) => lastOffset === 3000)
          expect(recorder.origins).toEqual(recorders[0]?.origins)
          expect(recorder.epochs).toEqual(recorders[0]?.epochs)
        }
      })

      it('hears nothing more once it is stopped', async () => {
        const journal = await open()
        const [stopped, other] = [await record(journal), await record(journal)]
        await journal.append(messages(1))
        await stopped.tail?.stop()
        await journal.append(messages(1))
        await other.until(({ lastOffset }) => lastOffset === 2)
        expect(stopped.lastOffset).toBe(1)
      })
    })

    describe('retention', () => {
      it('keeps the newest entries, as many as are allowed', async () => {
        const journal = await open({ maxEntries: 10 })
        for (let index = 0; index < 25; index++) await journal.append(messages(1))
        const recorder = await record(journal)
        expect(recorder.epochs).toMatchObject([{ nextOffset: 16 }])
        expect(recorder.offsets).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25])
      })

      it('keeps the newest entries, as many bytes as are allowed', async () => {
        const entry = message('x'.repeat(100), { sequence: 1 })
        const journal = await open({ maxBytes: encodeEntry(entry).length * 4 + 3 })
        for (let index = 0; index < 9; index++) await journal.append([entry])
        expect((await record(journal)).offsets).toEqual([6, 7, 8, 9])
      })

      it('keeps the newest entries, as old as is allowed', async () => {
        const journal = await open({ maxAgeMs: 1000 })
        await journal.append([message('old', { at: now }), message('newer', { at: now + 600 })])
        now += 1200
        await journal.append([message('new', { at: now })])
        expect((await record(journal)).offsets).toEqual([2, 3])
        now += 1100
        const recorder = await record(journal)
        expect(recorder.epochs).toMatchObject([{ nextOffset: 4 }])
        expect(recorder.entries).toEqual([])
      })

      it('takes nothing from a tail that is there already', async () => {
        const journal = await open({ maxEntries: 3 })
        const recorder = await record(journal)
        await Promise.all([journal.append(messages(5)), journal.append(messages(5))])
        await recorder.until(({ lastOffset }) => lastOffset === 10)
        expect(recorder.epochs).toHaveLength(1)
      })
    })

    describe('closing', () => {
      it('settles the appends that were under way', async () => {
        const journal = await open()
        const appending = Promise.all(Array.from({ length: 20 }, () => journal.append(messages(2))))
        await journal.close()
        await expect(appending).resolves.toHaveLength(20)
      })

      it('ends all tails and takes no more appends; doing it again does nothing', async () => {
        const journal = await open()
        const recorder = await record(journal)
        const appending = journal.append(messages(1))
        await Promise.all([journal.close(), journal.close()])
        const told = recorder.entries.length
        await appending
        await expect(journal.append(messages(1))).rejects.toMatchObject({ code: 'wrong_state' })
        await expect(journal.tail(new Recorder())).rejects.toMatchObject({ code: 'wrong_state' })
        await recorder.tail?.stop()
        await journal.close()
        expect(recorder.entries).toHaveLength(told)
      })
    })

    if (!isShared) return

    describe('shared by several', () => {
      it('tells each the same, in the same order, whoever wrote it', async () => {
        const journals = [await open(), await open(), await open()]
        const recorders = await Promise.all(journals.map(record))
        const appends = Array.from({ length: 200 }, (_, index) =>
          journals.map((journal, node) => journal.append([message(index, { node: `node-${node}`, sequence: index })])),
        )
        await Promise.all(appends.flat())
        for (const recorder of recorders) {
          await recorder.until(({ lastOffset }) => lastOffset === 600)
          expect(recorder.origins).toEqual(recorders[0]?.origins)
          expect(recorder.epochs).toEqual(recorders[0]?.epochs)
        }
        for (const node of ['node-0:', 'node-1:', 'node-2:']) {
          const own = recorders[0]?.origins.filter((origin) => origin.startsWith(node))
          expect(own).toEqual(Array.from({ length: 200 }, (_, index) => `${node}${index}`))
        }
      })

      it('goes on where it was when it is opened again', async () => {
        const first = await open()
        await first.append(messages(3))
        const before = await record(first)
        await first.close()
        const second = await open()
        const recorder = await record(second)
        await second.append(messages(1))
        await recorder.until(({ lastOffset }) => lastOffset === 4)
        expect(recorder.epochs).toEqual(before.epochs)
        expect(recorder.entries.slice(0, 3)).toEqual(before.entries)
      })

      it('goes on where it was when nothing of it is kept any more', async () => {
        const first = await open({ maxAgeMs: 1000 })
        await first.append(messages(3))
        await first.close()
        now += 2000
        const second = await open({ maxAgeMs: 1000 })
        const recorder = await record(second)
        await second.append([message('new', { at: now })])
        await recorder.until(({ lastOffset }) => lastOffset === 4)
        expect(recorder.epochs).toMatchObject([{ nextOffset: 4 }])
      })
    })
  })
}
