/**
 * The file journal: the contract, and the cases that only files have: segments, torn writes, damage, foreign files.
 */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SegmentDirectory } from '../../src/journal/segment-directory.js'
import { systemClock } from '../../src/clock.js'
import { systemRandomness } from '../../src/randomness.js'
import { encodeHeader, newEpoch, newMark, type SegmentHeader } from '../../src/journal/segment.js'
import { FilePlace, fingerprint, SteppedClock } from './file-place.js'
import { describeJournal, message, messages, record, UNLIMITED } from '../../src/testing/index.js'

const REFUSES = 'a file journal that is not what it was becomes unusable, and an administrator must mend it'

describeJournal(
  { describe, it, beforeEach, afterEach },
  {
    name: 'file:',
    isShared: true,
    makePlace: () => Promise.resolve(new FilePlace()),
    impossible: {
      save: REFUSES,
      empty: REFUSES,
      cutOff: 'there is no connection between a process and its files',
      loseAnswer: 'the operating system answers every write while the process lives',
    },
  },
)

describe('file:', () => {
  let place: FilePlace
  beforeEach(() => {
    place = new FilePlace()
  })
  afterEach(() => place.dispose())

  /** A closed journal of as many frames. */
  async function fill(frames: number): Promise<void> {
    const journal = await place.open()
    for (let index = 0; index < frames; index++) await journal.append(messages(2, index))
    await journal.close()
  }

  /** As if its process had been killed: nothing notes how far it was. */
  const forget = (): void => rmSync(join(place.path, 'checkpoint'))

  describe('segments', () => {
    const KIB = 1024
    const limits = { ...UNLIMITED, maxBytes: 1024 * KIB }
    /** 256 KiB each, the smallest there are; the one being written may be a write longer. */
    const maxDiskBytes = (keptBytes: number): number => keptBytes + 2 * 256 * KIB + 64 * KIB

    it('are removed when none of their entries is retained: by size', async () => {
      const journal = await place.open({ retention: limits })
      const recorder = await record(journal)
      for (let index = 0; index < 200; index++) await journal.append(messages(50, 'x'.repeat(KIB)))
      await recorder.until(({ lastOffset }) => lastOffset === 10_000)
      await journal.close()
      expect(place.bytes).toBeLessThan(maxDiskBytes(limits.maxBytes))
      const reopened = await record(await place.open({ retention: limits }))
      expect(reopened.entries).toEqual(recorder.entries.slice(-reopened.entries.length))
      expect(reopened.entries.length).toBeGreaterThan(900)
    })

    it('are removed when none of their entries is retained: by number', async () => {
      const journal = await place.open({ retention: { ...limits, maxEntries: 10 } })
      for (let index = 0; index < 100; index++) await journal.append(messages(20, 'x'.repeat(KIB)))
      await journal.close()
      expect(place.bytes).toBeLessThan(maxDiskBytes(0))
    })

    it('are removed when none of their entries is retained: by age', async () => {
      const clock = new SteppedClock()
      const journal = await place.open({ retention: { ...UNLIMITED, maxAgeMs: 60_000 }, clock })
      const recorder = await record(journal)
      while (place.segments().length < 2) await journal.append(messages(2000, 'x'.repeat(KIB)))
      const segmentsBefore = place.segments().length
      clock.monotonic = () => performance.now() + 120_000
      while (place.segments().length === segmentsBefore) {
        clock.step()
        await journal.append([message('marker')])
      }
      await recorder.until(({ origins }) => origins.length > 4000)
      expect(place.segments()).toHaveLength(segmentsBefore - 1)
    })

    it('work with processes that retain more or fewer entries', async () => {
      const [small, large] = [
        await place.open({ retention: { ...UNLIMITED, maxBytes: 300 * KIB } }),
        await place.open({ retention: { ...UNLIMITED, maxBytes: 3000 * KIB } }),
      ]
      const recorders = [await record(small), await record(large)]
      for (let index = 0; index < 50; index++) {
        await Promise.all([small, large].map((journal) => journal.append(messages(50, 'x'.repeat(KIB)))))
      }
      for (const recorder of recorders) {
        await recorder.until(({ lastOffset }) => lastOffset === 5000)
        expect(recorder.epochs).toHaveLength(1)
      }
    })

    it('removed while a reader slept lead to a reported gap within the same epoch', async () => {
      const journal = await place.open({ retention: limits })
      const recorder = await record(journal)
      await journal.append([message('before')])
      // The event loop is blocked meanwhile.
      const child = spawnSync(process.execPath, [fixture('appender.mjs'), place.path, 'other', '5000', '1000'], {
        encoding: 'utf8',
      })
      expect(child.stdout).toContain('acked 5000')
      const appending = journal.append([message('after', { node: 'me', sequence: 1 })])
      await recorder.until(({ origins }) => origins.at(-1) === 'me:1')
      await appending
      expect(recorder.epochs).toHaveLength(2)
      expect(recorder.epochs[1]?.epoch).toBe(recorder.epochs[0]?.epoch)
      expect(recorder.epochs[1]?.nextOffset).toBeGreaterThan(2)
      expect(recorder.lastOffset).toBe(5002)
    })

    it('created again by a suspended process are ignored by the others', async () => {
      const journal = await place.open({ retention: limits })
      const isLive = (segment: string): boolean => place.segments().includes(segment)
      for (const first = place.segment; isLive(first);) await journal.append(messages(100, 'x'.repeat(KIB)))
      const leftover = { firstOffset: 5, bytesBefore: 1000, limit: 256 * KIB, mark: newMark(systemRandomness) }
      await new SegmentDirectory(place.path, { clock: systemClock, randomness: systemRandomness }).create({
        epoch: headerOf(place.segment).epoch,
        ...leftover,
      })
      const recorder = await record(await place.open())
      const { lastOffset: before } = recorder
      await journal.append([message('marker')])
      await recorder.until(({ lastOffset }) => lastOffset > before)
      expect(recorder.epochs).toHaveLength(1)
    })

    it('take offsets beyond 2^32 and 2^48', async () => {
      for (const firstOffset of [2 ** 32 - 1, 2 ** 48 + 1]) {
        const path = join(place.root, String(firstOffset))
        mkdirSync(path)
        const header = {
          epoch: newEpoch(systemRandomness),
          firstOffset,
          bytesBefore: 2 ** 50,
          limit: 300,
          mark: newMark(systemRandomness),
        }
        writeFileSync(join(path, `${String(firstOffset).padStart(16, '0')}.log`), encodeHeader(header))
        const journal = await place.open({}, path)
        for (let index = 0; index < 5; index++) await journal.append(messages(2))
        expect((await record(journal)).offsets).toEqual(Array.from({ length: 10 }, (_, index) => firstOffset + index))
        expect(place.segments(path).length).toBeGreaterThan(1)
      }
    })
  })

  describe('entries of other processes', () => {
    it('are detected without the next poll', async () => {
      const clock = new SteppedClock()
      const [mine, other] = [await place.open({ clock }), await place.open({ clock })]
      const recorder = await record(mine)
      for (let offset = 1; offset <= 20; offset++) {
        await other.append(messages(1))
        await recorder.until(({ lastOffset }) => lastOffset === offset)
      }
    })
  })

  describe('torn writes', () => {
    /** The bytes of the last frame. */
    async function lastFrame(): Promise<Buffer> {
      const journal = await place.open()
      await journal.append(messages(2, 'x'.repeat(1500)))
      const { size } = statSync(place.segment)
      await journal.append(messages(2, 'x'.repeat(1500)))
      await journal.close()
      return readFileSync(place.segment).subarray(size)
    }

    it('of a killed process are skipped by present and later readers', async () => {
      const frame = await lastFrame()
      const journal = await place.open()
      const recorder = await record(journal)
      for (const [index, cut] of [1, 7, 8, 9, 51, 52, 53, 1000, frame.length - 1].entries()) {
        appendFileSync(place.segment, frame.subarray(0, cut))
        const recovered = await place.read()
        expect(recovered.lastOffset, `cut at ${cut}`).toBe(4 + index)
        await journal.append([message(`after ${cut}`)])
        await recorder.until(({ lastOffset }) => lastOffset === 5 + index)
      }
      expect((await place.read()).entries).toEqual(recorder.entries)
    })

    it('at the end are dropped, and new entries get their offsets', async () => {
      await fill(10)
      const { size } = statSync(place.segment)
      forget()
      for (const cut of [1, 10, 60, 100]) {
        const path = join(place.root, `cut-${cut}`)
        cpSync(place.path, path, { recursive: true })
        truncateSync(join(path, basename(place.segment)), size - cut)
        const journal = await place.open({}, path)
        const recorder = await record(journal)
        expect(recorder.lastOffset).toBe(18)
        await journal.append([message('again')])
        await recorder.until(({ lastOffset }) => lastOffset === 19)
        await journal.close()
        expect((await place.read(path)).entries).toEqual(recorder.entries)
      }
    })

    it('that a power cut left as zeros are skipped', async () => {
      const frame = await lastFrame()
      forget()
      const bytes = readFileSync(place.segment)
      writeFileSync(place.segment, bytes.fill(0, bytes.length - frame.length))
      const journal = await place.open()
      const recorder = await record(journal)
      expect(recorder.lastOffset).toBe(2)
      await journal.append([message('again')])
      await recorder.until(({ lastOffset }) => lastOffset === 3)
      expect((await place.read()).entries).toEqual(recorder.entries)
    })
  })

  describe('damage', () => {
    const refused = { code: 'journal_unusable', temporary: false }

    it('of any byte is refused or harmless', async () => {
      await fill(20)
      const { entries, epochs } = await place.read()
      const bytes = readFileSync(place.segment)
      const path = join(place.root, 'damaged')
      let refusals = 0
      const changedByte = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }))
      await fc.assert(
        fc.asyncProperty(changedByte, async ([position, change]) => {
          rmSync(path, { recursive: true, force: true })
          cpSync(place.path, path, { recursive: true })
          const changed = Buffer.from(bytes)
          changed[position] = (changed[position] ?? 0) ^ change
          const segment = join(path, basename(place.segment))
          writeFileSync(segment, changed)
          try {
            const recorder = await place.read(path)
            expect(recorder.entries).toEqual(entries)
            expect(recorder.epochs).toEqual(epochs)
          } catch (error) {
            expect(error).toMatchObject(refused)
            expect(readFileSync(segment)).toEqual(changed)
            refusals++
          }
        }),
        { numRuns: 60 },
      )
      expect(refusals).toBeGreaterThan(0)
    })

    it('that truncates it is refused', async () => {
      await fill(10)
      const { size } = statSync(place.segment)
      for (const length of [size - 1, size - 300, Math.floor(size / 2), 200, 50, 0]) {
        truncateSync(place.segment, length)
        const before = fingerprint(place.path)
        await expect(place.open(), `${length} of ${size} bytes`).rejects.toMatchObject(refused)
        expect(fingerprint(place.path)).toBe(before)
      }
    })

    it('that removes a segment from the middle, or truncates an old one, is refused', async () => {
      const journal = await place.open({ retention: { ...UNLIMITED, maxBytes: 2 ** 21 } })
      while (place.segments().length < 4) await journal.append(messages(100, 'x'.repeat(1024)))
      await journal.close()
      const [, second = ''] = place.segments()
      const { size } = statSync(second)
      copyFileSync(second, join(place.root, 'saved'))
      truncateSync(second, Math.floor(size / 2))
      await expect(place.open()).rejects.toMatchObject(refused)
      rmSync(second)
      await expect(place.open()).rejects.toThrow(/ends with entry \d+, the next segment begins with \d+/)
      copyFileSync(join(place.root, 'saved'), second)
      await expect(place.read()).resolves.toHaveProperty('epochs.length', 1)
    })

    it('during its use makes it unavailable, with the reason', async () => {
      const clock = new SteppedClock()
      const journal = await place.open({ clock })
      const recorder = await record(journal)
      await journal.append(messages(3))
      truncateSync(place.segment, statSync(place.segment).size - 10)
      clock.step()
      await recorder.until(({ availability }) => availability.length > 0)
      expect(recorder.availability).toMatchObject([{ available: false, error: refused }])
      await expect(journal.append(messages(1))).rejects.toMatchObject(refused)
    })

    it('by removing it during its use is detected', async () => {
      const clock = new SteppedClock()
      const journal = await place.open({ clock })
      const recorder = await record(journal)
      rmSync(place.path, { recursive: true })
      clock.step()
      await recorder.until(({ availability }) => availability.length > 0)
      expect(recorder.availability).toMatchObject([{ available: false, error: refused }])
      await expect(journal.append(messages(1))).rejects.toMatchObject(refused)
    })
  })

  describe('the journal refuses a file that is no journal and leaves it unchanged', () => {
    const header: SegmentHeader = {
      epoch: newEpoch(systemRandomness),
      firstOffset: 1,
      bytesBefore: 0,
      limit: 1000,
      mark: newMark(systemRandomness),
    }
    /** As LMDB begins its data.mdb. */
    const lmdb = Buffer.concat([Buffer.alloc(16), Buffer.from('0800dec0efbe01000000', 'hex'), Buffer.alloc(8000)])
    const first = '0000000000000001.log'

    it.each<[string, Record<string, string | Buffer>, RegExp]>([
      ['a file of text', { '': 'hello' }, /this is a file/],
      ['an empty file', { '': '' }, /this is a file/],
      ['an LMDB file', { '': lmdb }, /this is a file/],
      [
        'a directory with an LMDB file',
        { 'data.mdb': lmdb, 'lock.mdb': '' },
        /holds other files \(data.mdb, lock.mdb\)/,
      ],
      ['a directory with other files', { a: '', b: '', c: '', d: '' }, /holds other files \(a, b, c, …\)/],
      ['a segment of something else', { [first]: 'some log\n' }, /not a journal of lastcall/],
      ['an empty segment', { [first]: '' }, /not a journal of lastcall/],
      ['a segment of binary rubbish', { [first]: lmdb }, /not a journal of lastcall/],
      [
        'a segment of a later version',
        { [first]: 'lastcall-journal 2 00000000 {"new":1}\n' },
        /newer version of lastcall/,
      ],
      ['a segment with a damaged first line', { [first]: 'lastcall-journal 1 00000000 {}\n' }, /first line is damaged/],
      ['a segment under another name', { '0000000000000007.log': encodeHeader(header) }, /has been renamed/],
      [
        'a segment with something behind it',
        { [first]: Buffer.concat([encodeHeader(header), Buffer.from('rubbish'.repeat(50))]) },
        /damaged at byte/,
      ],
    ])('%s', async (_, files, problem) => {
      for (const [name, content] of Object.entries(files)) {
        const path = join(place.path, name)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, content)
      }
      const before = fingerprint(place.path)
      const opening = place.open()
      await expect(opening).rejects.toMatchObject({ code: 'journal_unusable', temporary: false })
      await expect(opening).rejects.toThrow(problem)
      await expect(opening).rejects.toThrow(place.path)
      expect(fingerprint(place.path)).toBe(before)
    })

    it('segments of two journals', async () => {
      await fill(1)
      const other = new FilePlace()
      writeFileSync(join(place.path, '0000000000000003.log'), encodeHeader({ ...header, firstOffset: 3 }))
      await expect(place.open()).rejects.toThrow(/belongs to another journal/)
      await other.dispose()
    })

    it('a path through a file', async () => {
      writeFileSync(place.path, 'a file')
      await expect(place.open({}, join(place.path, 'below'))).rejects.toMatchObject({ code: 'journal_unusable' })
    })

    it.skipIf(process.getuid?.() === 0)('a file that the user cannot read or write', async () => {
      await fill(1)
      chmodSync(place.segment, 0o400)
      await expect(place.open()).rejects.toThrow(/no permission \(EACCES\)/)
      chmodSync(place.path, 0o500)
      await expect(place.open()).rejects.toThrow(/no permission \(EACCES\)/)
      chmodSync(place.path, 0o700)
    })

    it('hidden files and lost+found are harmless', async () => {
      mkdirSync(join(place.path, 'lost+found'), { recursive: true })
      writeFileSync(join(place.path, '.gitkeep'), '')
      await fill(1)
      expect((await place.read()).lastOffset).toBe(2)
    })

    it('a moved journal is valid', async () => {
      await fill(3)
      const path = join(place.root, 'moved')
      renameSync(place.path, path)
      expect((await place.read(path)).lastOffset).toBe(6)
    })
  })
})

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)

const headerOf = (segment: string): SegmentHeader =>
  JSON.parse(readFileSync(segment, 'latin1').split('\n')[0]?.split(' ').slice(3).join(' ') ?? '') as SegmentHeader
