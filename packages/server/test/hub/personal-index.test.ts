/**
 * The index of the entries that concern a client personally: a query costs as much as its part of the window.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PersonalIndex } from '../../src/hub/personal-index.js'
import type { KeptEntry } from '../../src/journal/entry-kinds.js'

const message = (offset: number, from: string): KeptEntry => ({
  ...{ kind: 'message', offset, at: 0, node: 'n', sequence: offset, bytes: 50, channel: 'lobby', from, id: undefined },
})

test('a query about a few entries of a long window reads at most two blocks of it', () => {
  let read = 0
  const index = new PersonalIndex((offset) => {
    read++
    return message(offset, `c${String(offset % 7)}`)
  })
  expect(index.has('c3', 499_990, 500_000, 1)).toBe(true)
  expect(index.has('nobody', 499_990, 500_000, 1)).toBe(false)
  expect(read).toBeLessThanOrEqual(2 * 1024)
  const before = read
  index.has('c3', 499_990, 500_000, 1)
  expect(read).toBe(before)
})

test('finds the same entries as a scan, while entries are pushed and evicted', () => {
  const step = fc.record({
    pushed: fc.integer({ min: 0, max: 1500 }),
    evicted: fc.integer({ min: 0, max: 1200 }),
    client: fc.integer({ min: 0, max: 400 }),
    after: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.integer({ min: 0, max: 3000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const senderAt = (offset: number): string => `c${String((offset * 7919) % 397)}`
      const index = new PersonalIndex((offset) => message(offset, senderAt(offset)))
      let [first, head] = [1, 0]
      for (const { pushed, evicted, client, after: share, length } of steps) {
        head += pushed
        for (let count = Math.min(evicted, head - first + 1); count > 0; count--) index.forget(first++)
        if (head < first) continue
        const after = first - 1 + Math.floor(share * (head - first + 1))
        const upTo = Math.min(head, after + length)
        let expected = false
        for (let offset = after + 1; offset <= upTo; offset++) expected ||= senderAt(offset) === `c${String(client)}`
        expect(index.has(`c${String(client)}`, after, upTo, first)).toBe(expected)
      }
    }),
    { numRuns: 60 },
  )
})
