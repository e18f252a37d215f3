/**
 * The contract suite: what a journal reports to its listeners when its engine rolls over, forks, loses its newest
 * entries, is emptied, removes entries that a reader has not read, or takes an append whose answer is lost.
 */
import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import { pause, systemClock } from '../clock.js'
import type { Journal } from '../journal/journal.js'
import type { JournalFault } from './journal-place.js'
import { originOf, record, type Recorder } from './recorder.js'
import { message, messages } from './sample-entries.js'
import { expectAgreement, expectRefusal, originsOf, type SuiteContext } from './suite-context.js'

const ALL_FAULTS: readonly JournalFault[] = ['rollOver', 'save', 'cutOff', 'empty', 'outrun', 'loseAnswer']

/** The pause between two attempts to append. */
const RETRY_MS = 5

export function describeFaults(context: SuiteContext): void {
  const { framework, suite, faults } = context
  const impossible = suite.impossible ?? {}
  const possible = ALL_FAULTS.filter((fault) => impossible[fault] === undefined)
  /** Registers the test if the engine can have all of these faults. */
  const itUnder = (needed: readonly JournalFault[], name: string, test: () => Promise<void>): void => {
    if (needed.every((fault) => possible.includes(fault))) framework.it(name, test)
  }

  framework.describe('a fault of the engine', () => {
    framework.it('the place can cause each fault, or the suite declares it impossible with a reason', async () => {
      for (const fault of possible) faults(fault)
      deepEqual(
        Object.entries(impossible).filter(([, reason]) => reason.trim() === ''),
        [],
      )
      await Promise.resolve()
    })

    describeRollOver(context, itUnder)
    describeLosses(context, itUnder)
    describeEmptying(context, itUnder)
    describeGaps(context, itUnder)
  })
}

type ItUnder = (needed: readonly JournalFault[], name: string, test: () => Promise<void>) => void

function describeRollOver({ open, faults }: SuiteContext, itUnder: ItUnder): void {
  itUnder(['rollOver'], 'new segments: all readers receive the same entries at the same offsets', async () => {
    const { rollOver } = faults('rollOver')
    // Engines derive the size of their segments from this limit.
    const journal = await open({ maxBytes: 4 * 1024 * 1024 })
    const recorder = await record(journal)
    const appended: string[] = []
    await rollOver(async () => {
      const batch = messages(20, 'x'.repeat(1000))
      appended.push(...originsOf(batch))
      await journal.append(batch)
    })
    const marker = message('marker')
    await journal.append([marker])
    appended.push(originOf(marker))
    await recorder.until(({ written }) => written.length === appended.length)
    const late = await record(journal)
    deepEqual(recorder.origins, appended)
    ok(late.origins.length > 0)
    deepEqual(late.entries, recorder.entries.slice(-late.entries.length))
    deepEqual([recorder.epochs.length, late.epochs.length], [1, 1])
  })
}

function describeLosses({ open, faults }: SuiteContext, itUnder: ItUnder): void {
  itUnder(['save'], 'the engine loses its newest entries: every reader receives a new epoch', async () => {
    const { save } = faults('save')
    const journal = await open()
    const recorder = await record(journal)
    await journal.append(messages(9))
    const restore = await save()
    await appendUntilTaken(journal)
    const before = recorder.epochs.length
    await restore()
    await recorder.until(({ epochs }) => epochs.length > before)
    notEqual(recorder.epochs.at(-1)?.epoch, recorder.epochs[0]?.epoch)
    await expectToWork([journal], [recorder])
  })

  itUnder(['save', 'cutOff'], 'a fork: a reader whose last entry was replaced receives a new epoch', async () => {
    const { save, cutOff } = faults('save', 'cutOff')
    const deposed = await open()
    const recorder = await record(deposed)
    await deposed.append(messages(9))
    const restore = await save()
    // The reader reads 10 entries that the engine loses …
    for (let count = 0; count < 10; count++) await appendUntilTaken(deposed)
    const read = recorder.lastOffset
    const reconnect = await cutOff()
    await restore()
    // … and another instance appends other entries, and more of them, at the same offsets.
    const other = await open()
    const otherRecorder = await record(other)
    for (let count = 0; count < 30; count++) await appendUntilTaken(other)
    await otherRecorder.until(({ lastOffset, epochs }) => lastOffset > read || epochs.length > 1)
    await reconnect()
    await recorder.until(({ epochs, isAvailable }) => epochs.length > 1 && isAvailable)
    notEqual(recorder.epochs.at(-1)?.epoch, recorder.epochs[0]?.epoch)
    await expectToWork([deposed, other], [recorder, otherRecorder])
  })

  itUnder(['cutOff'], 'a lost connection: the reader continues at the next offset, in the same epoch', async () => {
    const { cutOff } = faults('cutOff')
    const journal = await open()
    const recorder = await record(journal)
    await appendUntilTaken(journal)
    const reconnect = await cutOff()
    await recorder.until(({ isAvailable }) => !isAvailable)
    await expectRefusal(journal.append(messages(1)), 'journal_unavailable', true)
    const other = await open()
    const missed = messages(5, 'missed')
    await other.append(missed)
    await reconnect()
    await recorder.until(({ isAvailable }) => isAvailable)
    await expectToWork([journal, other], [recorder, await record(other)])
    equal(recorder.epochs.length, 1)
    const { origins } = recorder
    deepEqual(
      originsOf(missed).filter((origin) => !origins.includes(origin)),
      [],
    )
  })
}

function describeEmptying(context: SuiteContext, itUnder: ItUnder): void {
  itUnder(
    ['empty'],
    'the journal is emptied while no instance appends: every reader receives a new epoch',
    async () => {
      const { first, journals, recorders } = await openInstances(context)
      await appendUntilTaken(first)
      await emptyAfter(1, context, recorders)
      expectNewEpoch(recorders)
      await expectToWork(journals, recorders)
    },
  )

  itUnder(
    ['empty'],
    'the journal is emptied while instances append: every reader receives a new epoch, and all continue',
    async () => {
      const { journals, recorders } = await openInstances(context)
      let isOver = false
      const writing = journals.map(async (journal) => {
        while (!isOver) await appendUntilTaken(journal)
      })
      await emptyAfter(20, context, recorders)
      isOver = true
      await Promise.all(writing)
      expectNewEpoch(recorders)
      await expectToWork(journals, recorders)
    },
  )
}

interface Instances {
  readonly first: Journal
  readonly journals: readonly Journal[]
  /** One for each journal. */
  readonly recorders: readonly Recorder[]
}

/** Opens the journal for two instances, or for one where the engine admits no more. */
async function openInstances({ open, suite }: SuiteContext): Promise<Instances> {
  const first = await open()
  const journals = suite.isShared ? [first, await open()] : [first]
  return { first, journals, recorders: await Promise.all(journals.map(record)) }
}

/** Empties the journal when every reader has so many entries. Resolves when every reader has received another epoch. */
async function emptyAfter(count: number, { faults }: SuiteContext, recorders: readonly Recorder[]): Promise<void> {
  const { empty } = faults('empty')
  await Promise.all(recorders.map((recorder) => recorder.until(({ written }) => written.length >= count)))
  await empty()
  await Promise.all(recorders.map((recorder) => recorder.until(({ epochs }) => epochs.length > 1)))
}

function expectNewEpoch(recorders: readonly Recorder[]): void {
  for (const { epochs } of recorders) notEqual(epochs.at(-1)?.epoch, epochs[0]?.epoch)
}

function describeGaps({ open, faults }: SuiteContext, itUnder: ItUnder): void {
  itUnder(
    ['outrun'],
    'the engine removes entries that a reader has not read: the reader learns where it continues',
    async () => {
      const { outrun } = faults('outrun')
      const journal = await open({ maxEntries: 100, maxBytes: 1024 * 1024 })
      const recorder = await record(journal)
      await journal.append(messages(1))
      await recorder.until(({ written }) => written.length === 1)
      const { lastOffset } = recorder
      await outrun()
      await recorder.until(({ epochs }) => epochs.length > 1)
      equal(recorder.epochs[1]?.epoch, recorder.epochs[0]?.epoch)
      ok((recorder.epochs[1]?.nextOffset ?? 0) > lastOffset + 1)
      await expectToWork([journal], [recorder])
    },
  )

  itUnder(['loseAnswer'], 'an append without an answer fails as temporary, and the journal takes a retry', async () => {
    const { loseAnswer } = faults('loseAnswer')
    const journal = await open()
    const recorder = await record(journal)
    const [unknown, retry] = [message('once', { id: 'same' }), message('once', { id: 'same' })]
    await expectRefusal(
      loseAnswer(() => journal.append([unknown])),
      'journal_unavailable',
      true,
    )
    await appendUntilTaken(journal, retry)
    await recorder.until(({ origins }) => origins.includes(originOf(retry)))
    // The first attempt was appended, too. Deduplication in the hub makes the retry safe.
    deepEqual(recorder.origins.slice(0, 2), originsOf([unknown, retry]))
    equal(recorder.epochs.length, 1)
  })
}

/** Appends one entry, and tries again while the journal refuses it temporarily. */
async function appendUntilTaken(journal: Journal, entry = message('x')): Promise<void> {
  for (;;) {
    try {
      await journal.append([entry])
      return
    } catch (error) {
      if (!isTemporary(error)) throw error
      await pause(systemClock, RETRY_MS)
    }
  }
}

const isTemporary = (error: unknown): boolean =>
  error instanceof Error && 'temporary' in error && error.temporary === true

/** Expects that each journal takes an entry and that every reader receives all of them at the same offsets. */
async function expectToWork(journals: readonly Journal[], recorders: readonly Recorder[]): Promise<void> {
  for (const [index, journal] of journals.entries()) {
    const marker = message(`marker ${index}`)
    await appendUntilTaken(journal, marker)
    const origin = originOf(marker)
    await Promise.all(recorders.map((recorder) => recorder.until(({ origins }) => origins.includes(origin))))
  }
  expectAgreement(recorders)
}
