/**
 * Close codes and error codes: the numbers that clients rely on, and whether a client reconnects.
 */
import { expect, test } from 'vitest'
import { CLOSE_CODES, comeBackAfter, type ComeBack } from '../src/close-codes.js'
import { ERROR_CODES, isTemporary } from '../src/error-codes.js'

test.each<[code: number, comeBack: ComeBack]>([
  [1000, 'no'],
  [1001, 'yes'],
  [1003, 'no'],
  [1007, 'no'],
  [1008, 'new-token'],
  [1009, 'no'],
  [1011, 'later'],
  [1012, 'later'],
  [1013, 'later'],
  [4001, 'no'],
  [4008, 'no-cursor'],
  [4009, 'no'],
  [4010, 'yes'],
])('after %i a client reconnects: %s', (code, comeBack) => {
  expect(Object.values(CLOSE_CODES)).toContain(code)
  expect(comeBackAfter(code)).toBe(comeBack)
})

test('every code states whether a client reconnects', () => {
  const codes = Object.values(CLOSE_CODES)
  expect(new Set(codes).size).toBe(codes.length)
  expect(codes.toSorted((a, b) => a - b)).toEqual([
    1000, 1001, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 4001, 4008, 4009, 4010,
  ])
})

test('a client reconnects after a cut connection and after unknown codes', () => {
  for (const code of [1005, 1006, 1014, 4000, 4999]) expect(comeBackAfter(code)).toBe('yes')
})

test('the server uses no close code that RFC 6455 forbids in a close frame', () => {
  for (const code of [1004, 1005, 1006, 1015]) expect(Object.values(CLOSE_CODES)).not.toContain(code)
})

test('an error is temporary if its cause may pass by itself, and not if it is a mistake of the client', () => {
  for (const code of ['rate_limited', 'journal_unavailable', 'shutting_down', 'internal'] as const) {
    expect(isTemporary(code)).toBe(true)
  }
  for (const code of ['bad_message', 'unknown_type', 'too_large', 'forbidden', 'not_subscribed'] as const) {
    expect(ERROR_CODES).toContain(code)
    expect(isTemporary(code)).toBe(false)
  }
})
