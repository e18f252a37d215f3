/**
 * `findDataText` finds the text of `data` exactly where JSON.parse finds its value, and returns it byte for byte.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseClientMessage } from '../src/client-messages.js'
import { findDataText } from '../src/data-text.js'

const whitespace = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 })

/** The characters of a string as JSON may encode them: literally, with a short escape, or as `\u….` */
const writtenString = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }).map((text) => JSON.stringify(text).slice(1, -1)),
      fc.constantFrom('\\"', '\\\\', '\\/', '\\n', '\\ud800', '\\u0041', '\u2028', '[', ']', '{', '}', ',', ':'),
    ),
    { maxLength: 8 },
  )
  .map((parts) => `"${parts.join('')}"`)

const writtenNumber = fc.oneof(
  fc.bigInt().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
  fc.constantFrom('1e400', '-0', '-0.0', '1E+2', '738529527931269425', '0.10', '1e-999'),
)

const key = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('"data"', '"d\\u0061ta"', '"\\u0064\\u0061\\u0074\\u0061"') },
  fc.constantFrom('"type"', '"__proto__"', '"data\\u0000"', '"dat"', '"\\u0064at"'),
  writtenString,
)

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(fc.constantFrom('null', 'true', 'false'), writtenNumber, writtenString),
    fc.tuple(whitespace, fc.array(fc.tuple(whitespace, tie('value'), whitespace), { maxLength: 4 })).map(writeList),
    fc
      .tuple(
        whitespace,
        fc.array(fc.tuple(whitespace, writtenString, whitespace, whitespace, tie('value'), whitespace), {
          maxLength: 4,
        }),
      )
      .map(writeObject),
  ),
}))

function writeList([space, items]: [string, [string, string, string][]]): string {
  return `[${items.length === 0 ? space : items.map((parts) => parts.join('')).join(',')}]`
}

type Member = [string, string, string, string, string, string]

function writeObject([space, members]: [string, Member[]]): string {
  const texts = members.map(([a, name, b, c, written, d]) => `${a}${name}${b}:${c}${written}${d}`)
  return `{${texts.length === 0 ? space : texts.join(',')}}`
}

const members = fc.array(fc.tuple(whitespace, key, whitespace, whitespace, value, whitespace), { maxLength: 6 })

/** Compares the found text with the last `data` in the source and with the value of JSON.parse. */
function check(text: string, written: string | undefined): void {
  const parsed = JSON.parse(text) as { data?: unknown }
  const found = findDataText(text)
  expect(found?.json).toBe(written)
  expect(found !== undefined).toBe(Object.hasOwn(parsed, 'data'))
  if (found) expect(JSON.parse(found.json)).toEqual(parsed.data)
}

test('findDataText returns the text behind the last key that JSON.parse reads as `data`', () => {
  fc.assert(
    fc.property(fc.tuple(whitespace, whitespace, whitespace, members), ([before, inside, behind, all]) => {
      const text = `${before}${writeObject([inside, all])}${behind}`
      check(text, all.findLast(([, name]) => JSON.parse(name) === 'data')?.[4])
    }),
    { numRuns: 3000 },
  )
})

test('findDataText reads every object that JSON.parse accepts as JSON.parse does', () => {
  const text = fc.oneof(
    fc.json(),
    fc.dictionary(fc.oneof(fc.constant('data'), fc.string()), fc.jsonValue()).map((object) => JSON.stringify(object)),
    fc.dictionary(fc.constantFrom('data', 'x'), fc.jsonValue()).map((object) => JSON.stringify(object, null, 2)),
  )
  fc.assert(
    fc.property(text, (json) => {
      const parsed = JSON.parse(json) as unknown
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return
      const found = findDataText(json)
      const data: unknown = Object.hasOwn(parsed, 'data') ? (parsed as { data: unknown }).data : undefined
      expect(found === undefined ? undefined : JSON.parse(found.json)).toEqual(data)
    }),
    { numRuns: 3000 },
  )
})

test('the depth counts nested lists and objects', () => {
  const depthOf = (data: string): number | undefined => findDataText(`{"a":[[[[]]]],"data":${data}}`)?.depth
  expect(depthOf('7')).toBe(0)
  expect(depthOf('"[[["')).toBe(0)
  expect(depthOf('[]')).toBe(1)
  expect(depthOf('[{"a":[]},[[]],{}]')).toBe(3)
})

test('findDataText takes linear time for a megabyte of hostile text, where quadratic time would be minutes', () => {
  const million = 1_000_000
  const texts = [
    `{"data":"${'\\\\'.repeat(million)}"}`,
    `{"data":"${'\\"'.repeat(million)}"}`,
    `{"data":${'['.repeat(million)}${']'.repeat(million)}}`,
    `{${`"data":${' '.repeat(8)}1,`.repeat(million / 10)}"data":2}`,
    `{"${'d\\u0061ta'.repeat(million / 10)}":1,"data":3}`,
    `{"a":${'1'.repeat(million)},"data":[${'{"data":[]},'.repeat(million / 10)}0]}`,
  ]
  for (const text of texts) {
    const found = findDataText(text)
    expect(found).toBeDefined()
    expect(text.includes(found?.json ?? ' ')).toBe(true)
  }
})

describe('the parser keeps the data of a message byte for byte', () => {
  const untouched = [
    '738529527931269425',
    '1e400',
    '-0.0',
    '{"b":1,"a":2,"b":3}',
    '"\\u0041\\/\\ud83d\\ude00 \u2028"',
    '[ 1,\n\t{ "a" : null } ]',
    '{"10":1,"2":2,"__proto__":{"x":1}}',
    '1.50',
  ]

  test.each(untouched)('%s', (data) => {
    expect(parseClientMessage(`{"type":"message","data":${data},"id":"x"}`, true)).toMatchObject({ data })
    expect(parseClientMessage(`{ "data" : ${data} , "to":"bob","type":"direct"}`, true)).toMatchObject({ data })
    expect(parseClientMessage(`{"data":1,"type":"message","data":\r\n${data}\t}`, false)).toMatchObject({ data })
  })
})
