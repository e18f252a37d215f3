/** When an instance announces its joins and leaves. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { MembersChange } from '../../src/journal/journal.js'
import { PresenceAnnouncer } from '../../src/presence/presence-announcer.js'
import { FakeClock } from '../support/fake-clock.js'

let clock: FakeClock
let published: MembersChange[][]
let memberCount: number
let isDraining: boolean
let claimed: string[]
let joined: string[]
let announcer: PresenceAnnouncer

const open = (presenceIntervalMs = 250): PresenceAnnouncer =>
  new PresenceAnnouncer({
    presenceIntervalMs,
    memberCount: () => memberCount,
    mayBeMoving: () => isDraining,
    isClaimedElsewhere: (clientId) => claimed.includes(clientId),
    isElsewhere: (clientId) => joined.includes(clientId),
    publish: (changes) => void published.push([...changes]),
    clock,
  })

beforeEach(() => {
  clock = new FakeClock()
  published = []
  memberCount = 1
  isDraining = false
  claimed = []
  joined = []
  announcer = open()
})

const joins = (channels: string[], ...joined: string[]): MembersChange => ({ channels, joined, left: [] })
const leaves = (channels: string[], ...left: string[]): MembersChange => ({ channels, joined: [], left })

test('all changes of an interval form one entry, and clients with the same channels one group of it', () => {
  announcer.joined('anna', ['lobby', 'news'])
  announcer.joined('borys', ['news', 'lobby'])
  clock.advance(100)
  announcer.left('vira', ['sport'])
  clock.advance(149)
  expect(published).toEqual([])
  clock.advance(1)
  expect(published).toEqual([[leaves(['sport'], 'vira'), joins(['lobby', 'news'], 'anna', 'borys')]])
})

test('the entry omits a client that joins and leaves within an interval', () => {
  announcer.joined('anna', ['lobby'])
  announcer.left('anna', ['lobby'])
  clock.advance(1000)
  expect(published).toEqual([])
})

test('the announcer gathers a crowd longer, by a millisecond for every two clients', () => {
  memberCount = 4000
  announcer.joined('anna', ['lobby'])
  clock.advance(1999)
  expect(published).toEqual([])
  clock.advance(1)
  expect(published).toHaveLength(1)
})

test('a crowd that grows meanwhile extends the gathering', () => {
  announcer.joined('anna', ['lobby'])
  memberCount = 4000
  clock.advance(250)
  expect(published).toEqual([])
  clock.advance(1750)
  expect(published).toHaveLength(1)
})

describe('a gathering that is too large for one entry', () => {
  const names = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
  const sizes = (): number[] =>
    published.map((changes) =>
      changes.reduce((sum, { channels, joined, left }) => sum + channels.length * (joined.length + left.length), 0),
    )

  test('continues in entries 20 ms apart, each of at most 2,500 changes', () => {
    for (const name of names('client', 60)) announcer.joined(name, names('channel', 99))
    clock.advance(250)
    expect(sizes()).toEqual([2500])
    clock.advance(20)
    expect(sizes()).toEqual([2500, 2500])
    clock.advance(20)
    expect(sizes()).toEqual([2500, 2500, 940])
    clock.advance(1000)
    expect(published).toHaveLength(3)
    const pairs = published
      .flat()
      .flatMap(({ channels, joined }) =>
        channels.flatMap((channel) => joined.map((clientId) => `${channel} ${clientId}`)),
      )
    expect(new Set(pairs).size).toBe(60 * 99)
  })

  test('names the clients of one large channel over several entries', () => {
    memberCount = 100
    for (const name of names('client', 3000)) announcer.joined(name, ['lobby'])
    clock.advance(270)
    expect(sizes()).toEqual([2500, 500])
  })

  test('does not mention a client that leaves before its join was appended', () => {
    for (const name of names('client', 3000)) announcer.joined(name, ['lobby'])
    clock.advance(250)
    announcer.left('client-0', ['lobby'])
    announcer.left('client-2999', ['lobby'])
    clock.advance(20)
    expect(published[1]).toEqual([
      leaves(['lobby'], 'client-0'),
      joins(['lobby'], ...names('client', 2999).slice(2500)),
    ])
  })

  test('is appended at once at the end of the instance', () => {
    for (const name of names('client', 6000)) announcer.joined(name, ['lobby'])
    announcer.flush()
    expect([sizes(), clock.running]).toEqual([[2500, 2500, 1000], 0])
  })

  test('ends when a roster contains the rest', () => {
    for (const name of names('client', 3000)) announcer.joined(name, ['lobby'])
    clock.advance(250)
    announcer.discard()
    clock.advance(1000)
    expect([sizes(), clock.running]).toEqual([[2500], 0])
  })
})

test('the announcer announces a migrating client without the delay of a crowd', () => {
  memberCount = 4000
  announcer.joined('borys', ['lobby'])
  clock.advance(500)
  announcer.joined('anna', ['lobby'], true)
  clock.advance(250)
  expect(published).toEqual([[joins(['lobby'], 'borys', 'anna')]])
})

test('an instance without presence announces no change', () => {
  const silent = open(0)
  silent.joined('anna', ['lobby'])
  silent.left('anna', ['lobby'])
  silent.flush()
  expect([published, clock.running]).toEqual([[], 0])
})

describe('while the instance drains', () => {
  beforeEach(() => {
    isDraining = true
  })

  test('the announcer holds a leave back for a second', () => {
    announcer.left('anna', ['lobby'])
    clock.advance(999)
    expect(announcer.heldGroups).toEqual([{ channels: ['lobby'], clients: ['anna'] }])
    clock.advance(251)
    expect(published).toEqual([[leaves(['lobby'], 'anna')]])
    expect(announcer.heldGroups).toEqual([])
  })

  test('the announcer holds a leave back until the instance that has claimed the client announces it', () => {
    claimed = ['anna']
    announcer.left('anna', ['lobby'])
    clock.advance(5000)
    expect(published).toEqual([])
    joined = ['anna']
    clock.advance(500)
    expect(published).toEqual([[leaves(['lobby'], 'anna')]])
  })

  test('the announcer holds a leave back for at most ten seconds', () => {
    claimed = ['anna']
    announcer.left('anna', ['lobby'])
    clock.advance(10_500)
    expect(published).toEqual([[leaves(['lobby'], 'anna')]])
  })

  test('the announcer does not hold back the leave of a client that another instance has announced', () => {
    joined = ['anna']
    announcer.left('anna', ['lobby'])
    clock.advance(500)
    expect(published).toEqual([[leaves(['lobby'], 'anna')]])
  })

  test('the end waits for the join of a client that migrated a moment ago', async () => {
    claimed = ['anna']
    announcer.left('anna', ['lobby'])
    let isOver = false
    const end = announcer.whenMoved().then(() => (isOver = true))
    clock.advance(250)
    await Promise.resolve()
    expect(isOver).toBe(false)
    joined = ['anna']
    clock.advance(250)
    await end
    expect(announcer.heldGroups).toEqual([])
  })

  test('the end waits for at most 1.5 s, and not at all when no leave is held back', async () => {
    await announcer.whenMoved()
    claimed = ['anna']
    announcer.left('anna', ['lobby'])
    const end = announcer.whenMoved()
    clock.advance(1500)
    await end
    expect(announcer.heldGroups).toEqual([{ channels: ['lobby'], clients: ['anna'] }])
  })

  test('a client that returns to this instance causes no leave and no join', () => {
    announcer.left('anna', ['lobby', 'news'])
    announcer.joined('anna', ['lobby'])
    clock.advance(250)
    expect(published).toEqual([[leaves(['news'], 'anna')]])
  })

  test('the end announces every leave that was held back', () => {
    announcer.left('anna', ['lobby'])
    announcer.flush()
    expect(published).toEqual([[leaves(['lobby'], 'anna')]])
    expect(clock.running).toBe(0)
  })
})
