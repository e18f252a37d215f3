/**
 * The limit of guesses at a secret.
 */
import { expect, test } from 'vitest'
import { GuessLimit } from '../../src/http/guess-limit.js'

test('an address has 20 guesses in a minute, and its log has two lines', () => {
  const limit = new GuessLimit()
  const guesses = Array.from({ length: 50 }, (_, index) => limit.take('192.0.2.1', 1000 + index))
  expect(guesses.map(({ retryInMs }) => retryInMs > 0).indexOf(true)).toBe(20)
  expect(guesses.flatMap(({ isWorthALine }, index) => (isWorthALine ? [index] : []))).toEqual([0, 20])
  expect(guesses[49]?.retryInMs).toBe(60_000 - 49)
  expect(limit.take('192.0.2.2', 1050).retryInMs).toBe(0)
  expect(limit.take('192.0.2.1', 61_000)).toEqual({ retryInMs: 0, isWorthALine: true })
})

test('the addresses of one IPv6 network share their guesses', () => {
  const limit = new GuessLimit()
  for (let index = 0; index < 20; index++) limit.take(`2001:db8:0:9::${index.toString(16)}`, 5)
  expect(limit.take('2001:0DB8::9:1:2:3:4', 5).retryInMs).toBeGreaterThan(0)
  expect(limit.take('2001:db8:0:a::1', 5).retryInMs).toBe(0)
})

test('the limit remembers a bounded number of addresses', () => {
  const limit = new GuessLimit()
  for (let guess = 0; guess < 21; guess++) limit.take('192.0.2.1', 0)
  expect(limit.take('192.0.2.1', 0).retryInMs).toBeGreaterThan(0)
  for (let index = 0; index < 10_000; index++) limit.take(`10.0.${String(index >> 8)}.${String(index & 255)}`, 1)
  // The limit has forgotten the oldest address.
  expect(limit.take('192.0.2.1', 2).retryInMs).toBe(0)
})
