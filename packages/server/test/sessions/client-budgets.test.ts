/**
 * A client's budgets: each is charged for what belongs to it, and connecting anew is not a way around them.
 */
import { describe, expect, test } from 'vitest'
import { ClientBudgets } from '../../src/sessions/client-budgets.js'

const KILOBYTE = 1024
const RATES = { messagesPerMinute: 60, channelsPerMinute: 300, replayBytesPerMinute: 1024 * KILOBYTE }
const request = (channels: number, replayBytes = 0) => ({ channels, replayBytes })

test('a request takes a message and its channels together, or nothing', () => {
  const budget = new ClientBudgets({ ...RATES, messagesPerMinute: 3 }).open('anna')
  expect(budget.takeRequest(request(299), 0)).toBe(0)
  expect(budget.takeRequest(request(2), 0)).toBe(200)
  expect(budget.takeRequest(request(1), 0)).toBe(0)
  expect(budget.takeMessage(0)).toBe(0)
  expect(budget.takeMessage(0)).toBe(20_000)
})

test('channels and replays are charged for where messages have no limit', () => {
  const budget = new ClientBudgets({ ...RATES, messagesPerMinute: 0 }).open('anna')
  expect(budget.takeHandshake(request(99), 0)).toBe(0)
  expect(budget.takeHandshake(request(99), 0)).toBe(0)
  expect(budget.takeRequest(request(99), 0)).toBe(0)
  expect(budget.takeHandshake(request(99), 0)).toBe(19_200)
})

test('a replay costs what it reads, and the shortest one as much as 16 KiB', () => {
  const budget = new ClientBudgets(RATES).open('anna')
  expect(budget.takeHandshake(request(0, 512 * KILOBYTE), 0)).toBe(0)
  for (let count = 0; count < 32; count++) expect(budget.takeHandshake(request(0, 1), 0)).toBe(0)
  expect(budget.takeHandshake(request(0, 1), 0)).toBeGreaterThan(0)
  expect(budget.takeHandshake(request(99), 0)).toBe(0)
})

test('a replay of more than the budget passes when the budget is full', () => {
  const budget = new ClientBudgets(RATES).open('anna')
  expect(budget.takeHandshake(request(0, 1_000_000 * KILOBYTE), 0)).toBe(0)
  expect(budget.takeHandshake(request(0, 1_000_000 * KILOBYTE), 0)).toBe(60_000)
})

describe('a client that disconnects and reconnects', () => {
  const oneAMinute = { ...RATES, messagesPerMinute: 1 }

  test('has its former balance and the refill since then', () => {
    const budgets = new ClientBudgets(RATES)
    const budget = budgets.open('anna')
    for (let count = 0; count < 60; count++) budget.takeMessage(0)
    budgets.keep('anna', budget, 0)
    const again = budgets.open('anna')
    expect([0, 1].map(() => again.takeMessage(2000))).toEqual([0, 0])
    expect(again.takeMessage(2000)).toBe(1000)
  })

  test('shares no budget with another client', () => {
    const budgets = new ClientBudgets(oneAMinute)
    const budget = budgets.open('anna')
    budget.takeMessage(0)
    budgets.keep('anna', budget, 0)
    expect(budgets.open('borys').takeMessage(0)).toBe(0)
  })

  test('has a full budget after two minutes, swept or not', () => {
    for (const isSwept of [false, true]) {
      const budgets = new ClientBudgets(oneAMinute)
      const budget = budgets.open('anna')
      budget.takeMessage(0)
      budgets.keep('anna', budget, 0)
      if (isSwept) budgets.sweep(120_000)
      const again = budgets.open('anna')
      expect(again.takeMessage(120_000)).toBe(0)
      expect(again.takeMessage(120_000)).toBe(60_000)
    }
  })

  test('keeps its debt when a sweep comes before the budget is full', () => {
    const budgets = new ClientBudgets(oneAMinute)
    const budget = budgets.open('anna')
    budget.takeMessage(0)
    budgets.keep('anna', budget, 0)
    budgets.sweep(59_999)
    expect(budgets.open('anna').takeMessage(1000)).toBeGreaterThan(0)
  })

  test('does not get frames back by it', () => {
    const budgets = new ClientBudgets(RATES)
    const budget = budgets.open('anna')
    expect(budget.debitFrames(300, 0)).toBe(10)
    budgets.keep('anna', budget, 0)
    expect(budgets.open('anna').debitFrames(1, 0)).toBe(20)
  })
})
