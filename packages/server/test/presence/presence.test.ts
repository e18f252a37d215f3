/**
 * Presence: who came and who went, gathered, and bounded however many they are.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_NAMES, Presence } from '../../src/presence/presence.js'

test('who came and who went is gathered by channel', () => {
  const presence = new Presence()
  presence.joined('lobby', 'anna')
  presence.left('lobby', 'bob')
  presence.joined('news', 'anna')
  expect(presence.take()).toEqual([
    { channel: 'lobby', joined: ['anna'], left: ['bob'], joinedCount: 1, leftCount: 1 },
    { channel: 'news', joined: ['anna'], left: [], joinedCount: 1, leftCount: 0 },
  ])
})

test('what was taken is not told again', () => {
  const presence = new Presence()
  presence.joined('lobby', 'anna')
  presence.take()
  expect(presence.take()).toEqual([])
})

test('who comes and goes, or goes and comes, within one gathering was never away', () => {
  const presence = new Presence()
  presence.joined('lobby', 'anna')
  presence.left('lobby', 'anna')
  presence.left('lobby', 'bob')
  presence.joined('lobby', 'bob')
  expect(presence.take()).toEqual([])
})

test('who left and stayed, elsewhere, was never away; what was told is told', () => {
  const presence = new Presence()
  presence.left('lobby', 'told')
  presence.take()
  presence.stayed('told')
  presence.joined('news', 'new')
  presence.left('news', 'new')
  presence.stayed('new')
  presence.left('lobby', 'anna')
  presence.left('news', 'anna')
  presence.left('news', 'bob')
  presence.stayed('anna')
  expect(presence.take()).toEqual([{ channel: 'news', joined: ['new'], left: ['bob'], joinedCount: 1, leftCount: 1 }])
})

test('of a storm the first fifty are named and all are counted', () => {
  const presence = new Presence()
  for (let index = 0; index < 10_000; index++) presence.joined('lobby', `in${index}`)
  for (let index = 0; index < 60; index++) presence.left('lobby', `out${index}`)
  const [change] = presence.take()
  expect(MAX_NAMES).toBe(50)
  expect(change).toMatchObject({ joinedCount: 10_000, leftCount: 60 })
  expect(change?.joined).toEqual(Array.from({ length: 50 }, (_, index) => `in${index}`))
  expect(change?.left).toHaveLength(50)
})

test('whatever happens, who reads all that is told knows who is there', () => {
  const names = ['anna', 'bob', 'cleo', 'dan']
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...names), fc.constant('take' as const))), (steps) => {
      const presence = new Presence()
      const there = new Set<string>()
      const known = new Set<string>()
      const read = (): void => {
        for (const { joined, left, joinedCount, leftCount } of presence.take()) {
          for (const name of joined) {
            expect(known).not.toContain(name)
            known.add(name)
          }
          for (const name of left) expect(known.delete(name)).toBe(true)
          expect([joinedCount, leftCount]).toEqual([joined.length, left.length])
        }
      }
      for (const step of steps) {
        if (step === 'take') read()
        else if (there.delete(step)) presence.left('lobby', step)
        else {
          there.add(step)
          presence.joined('lobby', step)
        }
      }
      read()
      expect(known).toEqual(there)
    }),
  )
})
