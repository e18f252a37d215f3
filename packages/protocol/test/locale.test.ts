/**
 * The choice of a client's language from `Accept-Language` (RFC 9110 section 12.5.4).
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LOCALES, negotiateLocale } from '../src/locale.js'

test.each([
  ['uk', 'uk'],
  ['en', 'en'],
  ['EN', 'en'],
  ['en-GB', 'en'],
  ['uk-UA,uk;q=0.9,en-US;q=0.8,en;q=0.7', 'uk'],
  ['en-US,en;q=0.9,uk;q=0.8', 'en'],
  ['de-DE,de;q=0.9,en;q=0.5', 'en'],
  ['uk;q=0.3, en;q=0.7', 'en'],
  ['en;q=0.5,uk', 'uk'],
  ['  en  ', 'en'],
  ['en ; q=0.9 , uk ; q=0.1', 'en'],
  ['en;q=0, uk;q=0.1', 'uk'],
])('%j leads to %s', (header, locale) => {
  expect(negotiateLocale(header, locale === 'uk' ? 'en' : 'uk')).toBe(locale)
})

test.each([[undefined], [''], ['*'], ['en;q=0'], ['en;q=nonsense'], [',;=,,'], ['de;q=0']])(
  '%j names no supported language, so the client reads the default',
  (header) => {
    for (const fallback of LOCALES) expect(negotiateLocale(header, fallback)).toBe(fallback)
  },
)

test.each([['de'], ['de-AT, fr;q=0.5'], ['eng'], ['ukr'], ['zh-Hans-CN'], ['de,*;q=0.5']])(
  'a client that names only other languages, %j, reads English',
  (header) => {
    for (const fallback of LOCALES) expect(negotiateLocale(header, fallback)).toBe('en')
  },
)

test('a client that refuses English and names another language reads the default', () => {
  expect(negotiateLocale('de, en;q=0', 'uk')).toBe('uk')
})

test('the first of two languages with equal weight wins', () => {
  expect(negotiateLocale('en;q=0.5,uk;q=0.5', 'uk')).toBe('en')
  expect(negotiateLocale('uk;q=0.5,en;q=0.5', 'en')).toBe('uk')
})

test('a wildcard does not stand for a language with q=0', () => {
  expect(negotiateLocale('uk;q=0, *', 'uk')).toBe('en')
})

test('every header leads to a supported language', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2000 }), (header) => {
      expect(LOCALES).toContain(negotiateLocale(header, 'uk'))
    }),
  )
})
