/**
 * The patterns of channels in a token: which channels they allow.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowsChannel } from '../../src/sessions/channel-patterns.js'

describe('which channels patterns allow', () => {
  test.each<[patterns: string[] | undefined, channel: string, isAllowed: boolean]>([
    [undefined, 'anything', true],
    [[], 'lobby', false],
    [['lobby'], 'lobby', true],
    [['lobby'], 'lobby2', false],
    [['*'], 'anything', true],
    [['news.*'], 'news.sport', true],
    [['news.*'], 'news.', true],
    [['news.*'], 'news', false],
    [['news.*'], 'newsXsport', false],
    [['*.anna'], 'room.anna', true],
    [['a*a'], 'a', false],
    [['a*a'], 'aa', true],
    [['a*b*c'], 'a-b-c', true],
    [['a*b*c'], 'acb', false],
    [['ab*ba'], 'aba', false],
    [['**'], 'x', true],
    [['news', 'lobby'], 'lobby', true],
    [['LOBBY'], 'lobby', false],
    [[''], 'lobby', false],
  ])('%j and %s: %s', (patterns, channel, isAllowed) => {
    expect(allowsChannel(patterns, channel)).toBe(isAllowed)
  })

  test('the same that a regular expression would', () => {
    const letters = fc.constantFrom('a', 'b', '.', ':', '-')
    const pattern = fc.array(fc.oneof(letters, fc.constant('*')), { maxLength: 8 }).map((all) => all.join(''))
    const channel = fc.array(letters, { minLength: 1, maxLength: 8 }).map((all) => all.join(''))
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 3 }), channel, (patterns, name) => {
        const model = patterns.some((each) =>
          new RegExp(`^${each.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 's').test(name),
        )
        expect(allowsChannel(patterns, name)).toBe(model)
      }),
      { numRuns: 3000 },
    )
  })

  test('a pattern made to take long does not', () => {
    const startedAtMs = performance.now()
    expect(allowsChannel([`${'a*'.repeat(2000)}b`], 'a'.repeat(64))).toBe(false)
    expect(performance.now() - startedAtMs).toBeLessThan(1000)
  })
})
