/**
 * The texts for people: complete in both languages, with correct plurals, and short enough for a close frame.
 */
import { describe, expect, test } from 'vitest'
import { MAX_CLOSE_REASON_BYTES } from '../src/close-codes.js'
import { ERROR_CODES } from '../src/error-codes.js'
import { LOCALES, type Locale } from '../src/locale.js'
import type { PresenceChange } from '../src/server-messages.js'
import { TEXTS } from '../src/texts.js'

const MINUTE_MS = 60_000

const keysOf = (value: object): string[] => Object.keys(value).toSorted()

test('both languages have every text', () => {
  expect(keysOf(TEXTS)).toEqual([...LOCALES].toSorted())
  expect(keysOf(TEXTS.en)).toEqual(keysOf(TEXTS.uk))
  expect(keysOf(TEXTS.en.reasons)).toEqual(keysOf(TEXTS.uk.reasons))
  for (const locale of LOCALES) expect(keysOf(TEXTS[locale].errors)).toEqual([...ERROR_CODES].toSorted())
})

describe.each(LOCALES)('in %s', (locale) => {
  const { reasons, errors } = TEXTS[locale]

  test.each(Object.entries(reasons))('the reason %s fits into a close frame', (_key, reason) => {
    expect(reason).not.toBe('')
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(MAX_CLOSE_REASON_BYTES)
  })

  test('no two errors and no two reasons read the same', () => {
    for (const texts of [reasons, errors]) expect(new Set(Object.values(texts)).size).toBe(Object.keys(texts).length)
  })

  test('the texts use only letters of that language', () => {
    const other = locale === 'uk' ? /[ыэъё]/i : /\p{Script=Cyrillic}/u
    const everything = [
      ...Object.values(reasons),
      ...Object.values(errors),
      TEXTS[locale].shutdownCancelled,
      TEXTS[locale].welcome('anna', 1),
      TEXTS[locale].periodic(1, 1),
      TEXTS[locale].shutdown('warning', 1),
      TEXTS[locale].shutdown('closing', 0),
    ]
    for (const text of everything) expect(text).not.toMatch(other)
  })
})

test('the welcome begins with Вітаємо, as in the specification, or with Welcome', () => {
  expect(TEXTS.uk.welcome('anna', 3)).toBe('Вітаємо, anna! Зараз на звʼязку: 3.')
  expect(TEXTS.en.welcome('anna', 3)).toBe('Welcome, anna! Connected now: 3.')
})

test.each([
  [0, '0 клієнтів'],
  [1, '1 клієнт'],
  [2, '2 клієнти'],
  [4, '4 клієнти'],
  [5, '5 клієнтів'],
  [11, '11 клієнтів'],
  [14, '14 клієнтів'],
  [21, '21 клієнт'],
  [22, '22 клієнти'],
  [25, '25 клієнтів'],
  [101, '101 клієнт'],
  [111, '111 клієнтів'],
  [112, '112 клієнтів'],
  [1234, '1234 клієнти'],
])('the Ukrainian text counts %i as "%s"', (active, words) => {
  expect(TEXTS.uk.periodic(active, 0)).toContain(`на звʼязку ${words},`)
})

test.each([
  [0, '0 clients'],
  [1, '1 client'],
  [2, '2 clients'],
  [21, '21 clients'],
])('the English text counts %i as "%s"', (active, words) => {
  expect(TEXTS.en.periodic(active, 0)).toContain(`${words} connected`)
})

test.each<[ms: number, uk: string, en: string]>([
  [0, '0 секунд', '0 seconds'],
  [1000, '1 секунду', '1 second'],
  [2000, '2 секунди', '2 seconds'],
  [10_000, '10 секунд', '10 seconds'],
  [MINUTE_MS, '60 секунд', '60 seconds'],
  [2 * MINUTE_MS, '2 хвилини', '2 minutes'],
  [21 * MINUTE_MS, '21 хвилину', '21 minutes'],
  [30 * MINUTE_MS, '30 хвилин', '30 minutes'],
  [120 * MINUTE_MS, '2 години', '2 hours'],
  [21 * 60 * MINUTE_MS, '21 годину', '21 hours'],
])('the texts express %i ms until the end as "%s" and "%s"', (ms, uk, en) => {
  for (const phase of ['warning', 'reminder'] as const) {
    expect(TEXTS.uk.shutdown(phase, ms)).toContain(`за ${uk}.`)
    expect(TEXTS.en.shutdown(phase, ms)).toContain(`in ${en} `)
  }
})

test('the text of the phase closing states that the server stops now', () => {
  expect(TEXTS.uk.shutdown('closing', 0)).toContain('закривається')
  expect(TEXTS.en.shutdown('closing', 0)).toContain('is being closed')
})

const change = (channel: string, joined: readonly string[], left: readonly string[], more = 0): PresenceChange => ({
  channel,
  joined,
  left,
  joinedCount: joined.length + (joined.length > 0 ? more : 0),
  leftCount: left.length,
  count: 9,
})

describe('presence', () => {
  const tell = (locale: Locale, joined: readonly string[], left: readonly string[] = [], more = 0): string =>
    TEXTS[locale].presence([change('lobby', joined, left, more)])

  test('names the clients that joined and left', () => {
    expect(tell('uk', ['anna'], ['bob', 'cleo'])).toBe('Приєдналися: anna. Вийшли: bob, cleo. Зараз на звʼязку: 9.')
    expect(tell('en', ['anna'], ['bob', 'cleo'])).toBe('Joined: anna. Left: bob, cleo. Connected now: 9.')
  })

  test('omits joins or leaves that did not happen', () => {
    expect(tell('en', ['anna'])).toBe('Joined: anna. Connected now: 9.')
    expect(tell('en', [], ['anna'])).toBe('Left: anna. Connected now: 9.')
  })

  test('names up to three channels when there are several', () => {
    const changes = ['news', 'sport', 'lobby', 'weather'].map((channel) => change(channel, ['anna'], []))
    expect(TEXTS.en.presence(changes.slice(0, 2))).toBe(
      'news: Joined: anna. Connected now: 9. sport: Joined: anna. Connected now: 9.',
    )
    expect(TEXTS.en.presence(changes)).toMatch(/ lobby: Joined: anna\. Connected now: 9\. …$/)
  })

  test('counts the clients that it does not name', () => {
    const six = ['a', 'b', 'c', 'd', 'e', 'f']
    expect(tell('en', six)).toBe('Joined: a, b, c, d, e and 1 more. Connected now: 9.')
    expect(tell('uk', six, [], 994)).toBe('Приєдналися: a, b, c, d, e та ще 995. Зараз на звʼязку: 9.')
  })
})
