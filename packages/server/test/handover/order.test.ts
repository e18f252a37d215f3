/** Which connections are handed over first. */
import { expect, test } from 'vitest'
import { canariesOf, quietestFirst } from '../../src/handover/order.js'

const heardAt = (...times: readonly number[]): { lastHeardAtMs: number }[] =>
  times.map((lastHeardAtMs) => ({ lastHeardAtMs }))

test('the client that has been quiet for the longest time is first', () => {
  expect(quietestFirst(heardAt(30, 10, 20))).toEqual(heardAt(10, 20, 30))
})

test('one in twenty connections is a canary, and at least one', () => {
  const many = heardAt(...Array.from({ length: 45 }, (_, index) => 45 - index))
  expect(canariesOf(many)).toEqual(heardAt(1, 21, 41))
  expect(canariesOf(heardAt(5, 4))).toEqual(heardAt(4))
  expect(canariesOf([])).toEqual([])
})
