/** The members of channels over several instances. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MemberGroup, MembersChange } from '../../src/journal/journal.js'
import type { Pieces } from '../../src/pieces.js'
import { groupByChannels } from '../../src/presence/groups.js'
import { Membership, PAIRS_A_PIECE } from '../../src/presence/membership.js'
import { finish } from '../support/pieces.js'

const joins = (channels: readonly string[], ...joined: string[]): MembersChange => ({ channels, joined, left: [] })
const leaves = (channels: readonly string[], ...left: string[]): MembersChange => ({ channels, joined: [], left })

describe('a change is visible', () => {
  test('when a client joins a channel on its first instance, or leaves it on its last one', () => {
    const members = new Membership()
    expect(members.apply('a', [joins(['lobby'], 'anna', 'borys')])).toEqual([
      { channel: 'lobby', joined: ['anna', 'borys'], left: [], count: 2 },
    ])
    expect(members.apply('a', [leaves(['lobby'], 'anna')])).toEqual([
      { channel: 'lobby', joined: [], left: ['anna'], count: 1 },
    ])
  })

  test('not when a client migrates: it joins the new instance before it leaves the old one', () => {
    const members = new Membership()
    members.apply('a', [joins(['lobby', 'news'], 'anna')])
    expect(members.apply('b', [joins(['lobby', 'news'], 'anna')])).toEqual([])
    expect(members.apply('a', [leaves(['lobby', 'news'], 'anna')])).toEqual([])
    expect(members.has('news', 'anna')).toBe(true)
  })

  test('not when a client leaves and joins again within one entry', () => {
    const members = new Membership()
    members.apply('a', [joins(['lobby'], 'anna')])
    expect(members.apply('a', [leaves(['lobby'], 'anna'), joins(['lobby'], 'anna')])).toEqual([])
  })

  test('not when an instance repeats a change', () => {
    const members = new Membership()
    members.apply('a', [joins(['lobby'], 'anna')])
    expect(members.apply('a', [joins(['lobby'], 'anna'), leaves(['lobby'], 'vira')])).toEqual([])
  })
})

test('the end of an instance removes its clients, except those that are connected elsewhere', () => {
  const members = new Membership()
  members.apply('a', [joins(['lobby'], 'anna', 'borys')])
  members.apply('b', [joins(['lobby'], 'borys')])
  expect(finish(members.drop('a'))).toEqual([{ channel: 'lobby', joined: [], left: ['anna'], count: 1 }])
  expect([...members.namesIn('lobby', 10)]).toEqual(['borys'])
})

/** How many pairs of a client and a channel each piece of the work adds or removes. */
function piecesOf(members: Membership, channels: readonly string[], work: Pieces<unknown>): number[] {
  const count = (): number => channels.reduce((sum, channel) => sum + members.countIn(channel), 0)
  const pieces: number[] = []
  let before = count()
  for (let isOver = false; !isOver;) {
    isOver = work.next().done === true
    const now = count()
    pieces.push(Math.abs(now - before))
    before = now
  }
  return pieces
}

test('a large roster, and the end of a large instance, are applied in pieces', () => {
  const channels = Array.from({ length: 40 }, (_, index) => `room-${index}`)
  const clients = Array.from({ length: 200 }, (_, index) => `client-${index}`)
  const members = new Membership()
  const roster = piecesOf(members, channels, members.replace('a', [{ channels, clients }]))
  expect(members.countIn('room-39')).toBe(200)
  expect(Math.max(...roster)).toBe(PAIRS_A_PIECE)
  const drop = piecesOf(members, channels, members.drop('a'))
  expect(members.countIn('room-39')).toBe(0)
  expect(Math.max(...drop)).toBe(PAIRS_A_PIECE)
})

test('a roster replaces the earlier declarations of its instance', () => {
  const members = new Membership()
  members.apply('a', [joins(['lobby'], 'anna', 'borys'), joins(['news'], 'anna')])
  const roster = [
    { channels: ['lobby'], clients: ['borys', 'vira'] },
    { channels: ['sport'], clients: ['vira'] },
  ]
  const changes = finish(members.replace('a', roster))
  expect(changes).toEqual([
    { channel: 'lobby', joined: ['vira'], left: ['anna'], count: 2 },
    { channel: 'news', joined: [], left: ['anna'], count: 0 },
    { channel: 'sport', joined: ['vira'], left: [], count: 1 },
  ])
})

test('the number of names is limited, and the count is exact', () => {
  const members = new Membership()
  members.apply('a', [joins(['lobby'], 'anna', 'borys', 'vira')])
  expect([...members.namesIn('lobby', 2)]).toEqual(['anna', 'borys'])
  expect(members.countIn('lobby')).toBe(3)
})

test('a client of this instance alone is not elsewhere', () => {
  const members = new Membership()
  members.apply('a', [joins(['lobby'], 'anna')])
  expect(members.isElsewhere('lobby', 'anna', 'a')).toBe(false)
  members.apply('b', [joins(['lobby'], 'anna')])
  expect(members.isElsewhere('lobby', 'anna', 'a')).toBe(true)
})

test('clients in the same channels are one group', () => {
  const channels = Array.from({ length: 99 }, (_, index) => `channel-${index}`)
  const clients = Array.from({ length: 60 }, (_, index) => `client-${index}`)
  const groups = groupByChannels(new Map(channels.map((channel) => [channel, new Set(clients)])))
  expect(groups).toEqual([{ channels: [...channels].sort(), clients }])
})

const NODES = ['a', 'b', 'c']
const name = fc.constantFrom('anna', 'borys', 'vira', 'ivan')
const names = fc.uniqueArray(name, { maxLength: 4 })
const channelList = fc.uniqueArray(fc.constantFrom('lobby', 'news', 'sport'), { minLength: 1, maxLength: 3 })
const change = fc.record({ channels: channelList, joined: names, left: names })
const step = fc.oneof(
  fc.record({ node: fc.constantFrom(...NODES), changes: fc.array(change, { maxLength: 3 }) }),
  fc.record({ node: fc.constantFrom(...NODES), gone: fc.constant(true) }),
)

/** The members that each instance has declared, as pairs of a channel and a client. */
class DeclaredMembers {
  readonly #byNode = new Map<string, Set<string>>()

  apply(node: string, { channels, joined, left }: MembersChange): void {
    const pairs = this.#byNode.get(node) ?? new Set()
    this.#byNode.set(node, pairs)
    for (const channel of channels) {
      for (const clientId of joined) pairs.add(`${channel} ${clientId}`)
      for (const clientId of left) pairs.delete(`${channel} ${clientId}`)
    }
  }

  drop(node: string): void {
    this.#byNode.delete(node)
  }

  groupsOf(node: string): MemberGroup[] {
    return [...(this.#byNode.get(node) ?? [])].map((pair) => {
      const [channel = '', clientId = ''] = pair.split(' ')
      return { channels: [channel], clients: [clientId] }
    })
  }
}

test('property: the visible changes, added up, are the union of all instances, and digests agree with the state', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const members = new Membership()
      const seen = new Map<string, Set<string>>()
      const declared = new DeclaredMembers()
      for (const given of steps) {
        const changes = 'gone' in given ? finish(members.drop(given.node)) : members.apply(given.node, given.changes)
        if ('gone' in given) declared.drop(given.node)
        else for (const each of given.changes) declared.apply(given.node, each)
        for (const { channel, joined, left, count } of changes) {
          const known = seen.get(channel) ?? new Set()
          for (const clientId of joined) {
            expect(known.has(clientId)).toBe(false)
            known.add(clientId)
          }
          for (const clientId of left) expect(known.delete(clientId)).toBe(true)
          expect(count).toBe(known.size)
          seen.set(channel, known)
        }
      }
      for (const [channel, known] of seen) expect(new Set(members.namesIn(channel, 100))).toEqual(known)
      // A reader that learns each state from a roster alone has the same digests and the same members.
      const late = new Membership()
      for (const node of NODES) {
        finish(late.replace(node, declared.groupsOf(node)))
        expect(late.digestOf(node)).toBe(members.digestOf(node))
      }
      for (const channel of seen.keys()) expect(late.countIn(channel)).toBe(members.countIn(channel))
    }),
  )
})

test('digests of different states differ', () => {
  const [one, other] = [new Membership(), new Membership()]
  one.apply('a', [joins(['lobby'], 'anna')])
  other.apply('a', [joins(['news'], 'anna')])
  expect(one.digestOf('a')).not.toBe(other.digestOf('a'))
  other.apply('a', [leaves(['news'], 'anna'), joins(['lobby'], 'anna')])
  expect(one.digestOf('a')).toBe(other.digestOf('a'))
})
