/**
 * The list of allowed origins: its syntax, and the `Origin` fields that match it.
 */
import { describe, expect, test } from 'vitest'
import { isOriginPattern, normalOrigin, originMatcher } from '../../src/config/origins.js'

test.each([
  ['https://example.org', true],
  ['http://localhost:3000', true],
  ['HTTPS://Example.ORG', true],
  ['https://кав’ярня.укр', true],
  ['https://*.example.org', true],
  ['https://*.example.org:8443', true],
  ['capacitor://localhost', true],
  ['null', true],
  ['*', false],
  ['https://*', false],
  ['https://*.*.example.org', false],
  ['https://ex*mple.org', false],
  ['https://example.org/path', false],
  ['https://user@example.org', false],
  ['example.org', false],
  ['https://', false],
  ['https://example.org:99999', false],
  ['', false],
])('%j names origins: %s', (text, expected) => {
  expect(isOriginPattern(text)).toBe(expected)
})

test.each([
  ['https://Müller.Example', 'https://xn--mller-kva.example'],
  ['https://example.org:443', 'https://example.org'],
  ['http://example.org:80', 'http://example.org'],
  ['http://example.org:443', 'http://example.org:443'],
  ['http://[::1]:80', 'http://[::1]'],
  ['chrome-extension://AbC', 'chrome-extension://abc'],
  ['no origin', undefined],
])('%j is compared as %j', (text, expected) => {
  expect(normalOrigin(text)).toBe(expected)
})

describe('a matcher', () => {
  test('compares origins, not their spelling', () => {
    const allows = originMatcher(['https://straße.example', 'https://shop.example:443', 'http://xn--h1alffa9f.example'])
    for (const origin of [
      'https://xn--strae-oqa.example',
      'https://straße.example',
      'https://shop.example',
      'https://shop.example:443',
      'HTTPS://SHOP.EXAMPLE',
      'http://россия.example',
    ]) {
      expect([origin, allows(origin)]).toEqual([origin, true])
    }
    for (const origin of ['http://shop.example', 'https://shop.example:8443', 'https://ashop.example', 'null', '']) {
      expect([origin, allows(origin)]).toEqual([origin, false])
    }
  })

  test('allows exactly the subdomains of a wildcard', () => {
    const allows = originMatcher(['https://*.Fjällräven.example', 'http://*.lan.example:8080'])
    expect(allows('https://a.xn--fjllrven-1zad.example')).toBe(true)
    expect(allows('https://a.b.xn--fjllrven-1zad.example')).toBe(true)
    expect(allows('https://a.xn--fjllrven-1zad.example:443')).toBe(true)
    expect(allows('http://a.lan.example:8080')).toBe(true)
    for (const origin of [
      'https://xn--fjllrven-1zad.example',
      'https://.xn--fjllrven-1zad.example',
      'https://evilxn--fjllrven-1zad.example',
      'http://a.xn--fjllrven-1zad.example',
      'http://a.lan.example',
      'https://a.lan.example:8080',
    ]) {
      expect([origin, allows(origin)]).toEqual([origin, false])
    }
  })

  test('allows `null` only if the list contains it', () => {
    expect(originMatcher(['null'])('null')).toBe(true)
    expect(originMatcher(['https://example.org'])('null')).toBe(false)
  })
})
