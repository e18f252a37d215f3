/**
 * The format of cursors. Formatting and parsing are inverse.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatCursor, parseCursor } from '../src/cursor.js'

test('a cursor is an epoch and an offset', () => {
  expect(parseCursor('k3-_Z:12')).toEqual({ epoch: 'k3-_Z', offset: 12 })
  expect(parseCursor('e:0')).toEqual({ epoch: 'e', offset: 0 })
  expect(formatCursor({ epoch: 'k3-_Z', offset: 12 })).toBe('k3-_Z:12')
})

test.each([
  '',
  ':',
  'e:',
  ':1',
  'e',
  'e:-1',
  'e:+1',
  'e:01',
  'e:1.0',
  'e:1e3',
  'e:0x1',
  'e: 1',
  ' e:1',
  'e:1 ',
  'e:1\n',
  'e:1:2',
  'é:1',
  'e:９',
  `${'e'.repeat(65)}:1`,
  'e:NaN',
  'e:Infinity',
  'e:9007199254740992',
  'e:99999999999999999999',
])('%j is not a cursor', (text) => {
  expect(parseCursor(text)).toBeUndefined()
})

test('the largest offset is the largest safe integer', () => {
  expect(parseCursor(`e:${String(Number.MAX_SAFE_INTEGER)}`)).toEqual({ epoch: 'e', offset: Number.MAX_SAFE_INTEGER })
})

test('the parser treats a cursor in the format of a later version as unknown, whatever its length', () => {
  const visible = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) })
  fc.assert(
    fc.property(visible, (text) => {
      expect(parseCursor(`v2~${text}`)).toBeUndefined()
    }),
  )
  expect(parseCursor('e'.repeat(256))).toBeUndefined()
  expect(parseCursor(`${'e'.repeat(10_000)}:1`)).toBeUndefined()
})

test('every cursor that the server writes is 1 to 256 visible ASCII characters', () => {
  const longest = formatCursor({ epoch: 'e'.repeat(64), offset: Number.MAX_SAFE_INTEGER })
  expect(longest).toMatch(/^[!-~]{1,256}$/)
  expect(parseCursor(longest)).toBeDefined()
})

test('a formatted cursor parses to the same value', () => {
  const cursors = fc.record({
    epoch: fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/),
    offset: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  })
  fc.assert(
    fc.property(cursors, (cursor) => {
      expect(parseCursor(formatCursor(cursor))).toEqual(cursor)
    }),
  )
})

test('a parsed cursor formats to the same text: a cursor has one form', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z]{1,3}:[0-9]{1,17}$/)), (text) => {
      const cursor = parseCursor(text)
      if (cursor) expect(formatCursor(cursor)).toBe(text)
    }),
    { numRuns: 1000 },
  )
})
