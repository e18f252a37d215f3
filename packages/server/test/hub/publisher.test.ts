/**
 * The publisher: how it groups messages into appends, and the outcomes of the messages.
 */
import { describe, expect, test } from 'vitest'
import { LastcallError } from '../../src/errors.js'
import { Publisher, type Author, type PublisherOptions } from '../../src/hub/publisher.js'
import type { Entry, EntryContent } from '../../src/journal/journal.js'
import { Stats } from '../../src/observability/stats.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeJournal } from '../support/fake-journal.js'

interface TestAuthor extends Author {
  readonly name: string
  unacked: number
}

const author = (name = 'anna'): TestAuthor => ({ name, unacked: 0 })

const says = (data: unknown, id?: string, from = 'anna'): Extract<EntryContent, { kind: 'message' }> => ({
  kind: 'message',
  channel: 'lobby',
  from,
  data: JSON.stringify(data),
  ...(id !== undefined && { id }),
})

const PRESENCE: EntryContent = { kind: 'members', changes: [{ channels: ['lobby'], joined: ['anna'], left: [] }] }

function publisher(some: Partial<PublisherOptions<TestAuthor>> = {}): {
  publisher: Publisher<TestAuthor>
  journal: FakeJournal
  clock: FakeClock
  stats: Stats
  /** The calls in order: `failed NAME ID CODE`, `retried NAME CLIENT ID`, `settled NAME UNACKED`. */
  told: string[]
} {
  const journal = new FakeJournal()
  const clock = new FakeClock()
  const stats = new Stats()
  const told: string[] = []
  const made = new Publisher<TestAuthor>({
    journal,
    node: 'node',
    clock,
    stats,
    maxPendingSize: 1_000_000,
    onFailed: ({ name }, id, { code }) => told.push(`failed ${name} ${String(id)} ${code}`),
    onRetryBack: ({ name }, clientId, id) => told.push(`retried ${name} ${clientId} ${id}`),
    onSettled: ({ name, unacked }) => told.push(`settled ${name} ${unacked}`),
    ...some,
  })
  void journal.tail({
    onEpoch: () => undefined,
    onBatch: (entries) => entries.forEach((entry: Entry) => made.readBack(entry)),
    onAvailability: () => undefined,
  })
  return { publisher: made, journal, clock, stats, told }
}

/** Lets the turn of the event loop end, and what follows from it. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

const tooLarge = (): LastcallError => new LastcallError('entry_too_large', 'too large')

test('thousands of messages of one turn form several appends, in order', async () => {
  const { publisher: p, journal } = publisher()
  for (let index = 0; index < 3000; index++) p.publish(says(index), author())
  for (let count = 0; count < 6; count++) {
    while (journal.waiting.length === 0) await turn()
    journal.succeed()
  }
  await p.settled()
  expect(journal.appends.map((entries) => entries.length)).toEqual([512, 512, 512, 512, 512, 440])
  const data = journal.appends.flat().map((entry) => ('data' in entry ? entry.data : undefined))
  expect(data).toEqual(Array.from({ length: 3000 }, (_, index) => String(index)))
})

test('the messages of one turn of the event loop form one append, in order, and later messages the next one', async () => {
  const { publisher: p, journal, clock } = publisher()
  clock.advance(5)
  p.publish(says(1), author())
  p.publishOwn(PRESENCE, () => undefined)
  p.publish(says(2, 'x'), author())
  expect(journal.appends).toEqual([])
  await turn()
  p.publish(says(3), author())
  await turn()
  p.publish(says(4), author())
  await turn()
  expect(journal.appends).toHaveLength(1)
  journal.succeed()
  await turn()
  await turn()
  const at = FakeClock.BEGINNING_MS + 5
  expect(journal.appends).toEqual([
    [
      { ...says(1), at, node: 'node', sequence: 1 },
      { ...PRESENCE, at, node: 'node', sequence: 2 },
      { ...says(2, 'x'), at, node: 'node', sequence: 3 },
    ],
    [
      { ...says(3), at, node: 'node', sequence: 4 },
      { ...says(4), at, node: 'node', sequence: 5 },
    ],
  ])
})

test('a message is unacknowledged until the hub has read it back from the journal', async () => {
  const { publisher: p, journal, told, clock, stats } = publisher()
  const anna = author()
  p.publish(says(1, 'x'), anna)
  p.publish(says(2), anna)
  expect(anna.unacked).toBe(2)
  await turn()
  clock.advance(7)
  expect(anna.unacked).toBe(2)
  journal.succeed()
  expect(anna.unacked).toBe(0)
  expect(told).toEqual(['settled anna 1', 'settled anna 0'])
  expect(p.lagMs).toBe(7)
  await turn()
  expect(stats.appends).toBe(2)
})

test('the hub does not mistake an entry of another instance with the same number for its own, nor counts its own twice', async () => {
  const { publisher: p, journal, told } = publisher()
  const anna = author()
  p.publish(says(1), anna)
  await turn()
  journal.succeed()
  journal.say(...(journal.appends[0] ?? []))
  expect(anna.unacked).toBe(0)
  expect(told).toEqual(['settled anna 0'])
})

describe('a message that is sent again', () => {
  test('is a retry while the first one is pending', async () => {
    const { publisher: p, journal } = publisher()
    const isRetry = (clientId: string, id: string): boolean => p.retry(clientId, id, author())
    expect(isRetry('anna', 'x')).toBe(false)
    p.publish(says(1, 'x'), author())
    expect([isRetry('anna', 'x'), isRetry('anna', 'y'), isRetry('bob', 'x')]).toEqual([true, false, false])
    await turn()
    expect(isRetry('anna', 'x')).toBe(true)
    journal.succeed()
    expect(isRetry('anna', 'x')).toBe(false)
  })

  test('is reported to the connection that sent it again, before the first connection counts as flushed', async () => {
    const { publisher: p, journal, told } = publisher()
    p.publish(says(1, 'x'), author('first'))
    p.retry('anna', 'x', author('second'))
    await turn()
    journal.succeed()
    expect(told).toEqual(['retried second anna x', 'settled first 0'])
  })

  test('fails for all connections that sent it', async () => {
    const { publisher: p, journal, told } = publisher()
    p.publish(says(1, 'x'), author('first'))
    p.retry('anna', 'x', author('second'))
    await turn()
    journal.fail(new Error('disk'))
    await turn()
    expect(told).toEqual([
      'failed first x journal_unavailable',
      'failed second x journal_unavailable',
      'settled first 0',
    ])
    expect(p.retry('anna', 'x', author())).toBe(false)
  })
})

describe('when the journal fails', () => {
  test('each publisher learns which of its messages failed, and no message stays unacknowledged', async () => {
    const { publisher: p, journal, stats, told } = publisher()
    const [anna, bob] = [author('anna'), author('bob')]
    p.publish(says(1, 'x'), anna)
    p.publishOwn(PRESENCE, () => undefined)
    p.publish(says(2, 'y', 'bob'), bob)
    p.publish(says(3), anna)
    await turn()
    journal.fail(new LastcallError('journal_unavailable', 'no', { temporary: true }))
    await turn()
    expect([anna.unacked, bob.unacked]).toEqual([0, 0])
    expect(told.filter((line) => line.startsWith('failed'))).toEqual([
      'failed anna x journal_unavailable',
      'failed bob y journal_unavailable',
      'failed anna undefined journal_unavailable',
    ])
    expect([stats.appends, stats.appendFailures]).toEqual([0, 4])
    expect(p.retry('anna', 'x', author())).toBe(false)
  })

  test('a publisher learns of a failure before its connection counts as flushed, because the server may close it then', async () => {
    const { publisher: p, journal, told } = publisher()
    p.publish(says(1, 'x'), author())
    await turn()
    journal.fail(new Error('disk'))
    await turn()
    expect(told).toEqual(['failed anna x journal_unavailable', 'settled anna 0'])
  })

  test('every error becomes journal_unavailable, with its cause', async () => {
    const errors: LastcallError[] = []
    const { publisher: p, journal } = publisher({ onFailed: (_author, _id, error) => errors.push(error) })
    p.publish(says(1), author())
    await turn()
    const disk = new Error('disk')
    journal.fail(disk)
    await turn()
    expect(errors).toMatchObject([{ code: 'journal_unavailable', temporary: true, cause: disk }])
  })

  test('the journal receives later messages again', async () => {
    const { publisher: p, journal, told } = publisher()
    const anna = author()
    p.publish(says(1, 'x'), anna)
    await turn()
    journal.fail(new Error('disk'))
    await turn()
    told.length = 0
    p.publish(says(1, 'x'), anna)
    await turn()
    journal.succeed()
    expect(told).toEqual(['settled anna 0'])
  })

  test('an entry that appears although its append failed is harmless', async () => {
    const { publisher: p, journal, told } = publisher()
    const anna = author()
    p.publish(says(1, 'x'), anna)
    await turn()
    journal.fail(new Error('connection lost'))
    await turn()
    told.length = 0
    journal.say(...(journal.appends[0] ?? []))
    expect(anna.unacked).toBe(0)
    expect(told).toEqual([])
  })
})

test('a message that waits behind an append with an unknown outcome fails with it, and presence does not', async () => {
  const { publisher: p, journal, told } = publisher()
  p.publish(says(1, 'x'), author('anna'))
  await turn()
  p.publish(says(2, 'y'), author('bob'))
  p.publishOwn(PRESENCE, () => undefined)
  journal.fail(new Error('connection lost'))
  await turn()
  await turn()
  expect(told.filter((line) => line.startsWith('failed'))).toEqual([
    'failed anna x journal_unavailable',
    'failed bob y journal_unavailable',
  ])
  expect(journal.appends.slice(1)).toMatchObject([[PRESENCE]])
})

describe('when the journal was replaced', () => {
  const replaced = new LastcallError('journal_unavailable', 'replaced', { temporary: true })

  test('an entry that was lost before the hub read it back fails', async () => {
    const { publisher: p, journal, told, stats } = publisher()
    const anna = author()
    p.publish(says(1, 'x'), anna)
    p.retry('anna', 'x', author('second'))
    await turn()
    journal.lose()
    await turn()
    p.failAll(replaced)
    await p.settled()
    expect(told).toEqual(['failed anna x journal_unavailable', 'failed second x journal_unavailable', 'settled anna 0'])
    expect([stats.appends, stats.appendFailures]).toEqual([1, 1])
    expect(p.retry('anna', 'x', author())).toBe(false)
  })

  test('a late answer to an earlier append settles no message published since', async () => {
    const { publisher: p, journal, told } = publisher()
    const anna = author()
    p.publish(says(1, 'x'), anna)
    await turn()
    p.publish(says(2, 'gathered'), anna)
    p.failAll(replaced)
    p.publish(says(1, 'x'), anna)
    told.length = 0
    journal.fail(new Error('the connection was lost'))
    await turn()
    await turn()
    expect(told).toEqual([])
    expect(journal.appends.at(-1)).toMatchObject([{ id: 'x', sequence: 3 }])
    journal.say(...(journal.appends[0] ?? []))
    expect(anna.unacked).toBe(1)
    journal.succeed()
    expect(anna.unacked).toBe(0)
  })

  test('messages that wait for their append are dropped', async () => {
    const { publisher: p, journal } = publisher()
    p.publish(says(1, 'x'), author())
    p.failAll(replaced)
    await turn()
    expect(journal.appends).toEqual([])
  })
})

describe('an entry that is too large', () => {
  test('does not fail the other entries of its turn', async () => {
    const { publisher: p, journal, stats, told } = publisher()
    const [anna, bob] = [author('anna'), author('bob')]
    p.publish(says(1, 'x'), anna)
    p.publish(says('large', 'y'), bob)
    p.publish(says(3, 'z'), anna)
    await turn()
    journal.fail(tooLarge())
    await turn()
    // The publisher appends them one after another, so their order stays.
    expect(journal.waiting.map(({ entries }) => entries)).toHaveLength(1)
    journal.succeed()
    await turn()
    journal.fail(tooLarge())
    await turn()
    journal.succeed()
    await turn()
    expect(told).toEqual(['settled anna 1', 'failed bob y entry_too_large', 'settled bob 0', 'settled anna 0'])
    expect([stats.appends, stats.appendFailures]).toEqual([2, 1])
  })

  test('fails for its publisher when it is alone', async () => {
    const { publisher: p, journal, told } = publisher()
    p.publish(says('large', 'y'), author())
    await turn()
    journal.fail(tooLarge())
    await turn()
    expect(told).toContain('failed anna y entry_too_large')
    expect(journal.appends).toHaveLength(1)
  })
})

test('the publisher refuses messages beyond its limit at once, and accepts messages again when there is room', async () => {
  const { publisher: p, journal, told } = publisher({ maxPendingSize: 100 })
  const anna = author()
  p.publish(says('a'.repeat(60)), anna)
  p.publish(says('b'.repeat(60), 'x'), anna)
  expect(told).toEqual(['failed anna x journal_unavailable'])
  expect(anna.unacked).toBe(1)
  expect(p.retry('anna', 'x', author())).toBe(false)
  await turn()
  journal.succeed()
  told.length = 0
  p.publish(says('b'.repeat(60), 'x'), anna)
  expect(told).toEqual([])
  expect(anna.unacked).toBe(1)
})

test('an entry of the instance itself reports whether it was read back or lost', async () => {
  const { publisher: p, journal } = publisher()
  const outcomes: boolean[] = []
  p.publishOwn(PRESENCE, (settlement) => outcomes.push('error' in settlement))
  await turn()
  expect(outcomes).toEqual([])
  journal.succeed()
  await turn()
  expect(outcomes).toEqual([false])
  p.publishOwn(PRESENCE, (settlement) => outcomes.push('error' in settlement))
  await turn()
  p.failAll(new LastcallError('journal_unavailable', 'gone', { temporary: true }))
  expect(outcomes).toEqual([false, true])
})

describe('settled', () => {
  test('resolves at once when nothing is pending', async () => {
    const { publisher: p } = publisher()
    await p.settled()
  })

  test('waits until every published entry, presence included, is read back or has failed', async () => {
    const { publisher: p, journal } = publisher()
    let isSettled = false
    p.publish(says(1), author())
    await turn()
    p.publishOwn(PRESENCE, () => undefined)
    const settled = p.settled().then(() => (isSettled = true))
    await turn()
    journal.succeed()
    await turn()
    await turn()
    expect(isSettled).toBe(false)
    journal.fail(new Error('disk'))
    await settled
  })
})
