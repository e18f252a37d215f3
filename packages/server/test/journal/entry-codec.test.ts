import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeEntry, encodeEntry } from '../../src/journal/entry-codec.js'
import type { NewEntry } from '../../src/journal/journal.js'

const text = fc.string({ unit: 'grapheme' })
const id = fc.option(fc.string({ minLength: 1, maxLength: 64 }), { nil: undefined })
const data = fc.jsonValue().map((value) => JSON.stringify(value))
const origin = { at: fc.maxSafeNat(), node: text, sequence: fc.maxSafeNat() }
const names = fc.array(text, { maxLength: 5 })
const claim = fc.record({
  ...{ clientId: text, connectionId: text, sessionHash: text },
  ...{ hasToken: fc.boolean(), isMoving: fc.boolean(), admittedAt: fc.nat() },
})
const anyState = fc.constantFrom('ready' as const, 'draining' as const, 'gone' as const)

const newEntry: fc.Arbitrary<NewEntry> = fc
  .oneof(
    fc.record({ kind: fc.constant('message' as const), channel: text, from: text, id, data, ...origin }),
    fc.record({ kind: fc.constant('direct' as const), to: text, from: text, id, data, ...origin }),
    fc.record({
      ...{ kind: fc.constant('instance' as const), build: text, state: anyState, connections: fc.nat() },
      ...{ lagMs: fc.nat(), startedAtMs: fc.maxSafeNat(), digest: id, ...origin },
    }),
    fc.record({ kind: fc.constant('lost' as const), instance: text, ...origin }),
    fc.record({ kind: fc.constant('rosterRequest' as const), of: text, ...origin }),
    fc.record({
      ...{ kind: fc.constant('claim' as const), claims: fc.array(claim), ...origin },
      releases: fc.array(fc.record({ clientId: text, connectionId: text })),
    }),
    fc.record({
      ...{ kind: fc.constant('roster' as const), part: fc.nat(), parts: fc.nat(), claims: fc.array(claim) },
      ...{ members: fc.array(fc.record({ channels: names, clients: names })), ...origin },
    }),
    fc.record({
      kind: fc.constant('members' as const),
      changes: fc.array(fc.record({ channels: names, joined: names, left: names })),
      ...origin,
    }),
  )
  .map((entry) => {
    // The field is missing and not undefined.
    return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined)) as unknown as NewEntry
  })

describe('an encoded entry', () => {
  it('decodes to the written value', () => {
    fc.assert(
      fc.property(newEntry, fc.maxSafeNat(), (entry, offset) => {
        const bytes = encodeEntry(entry)
        expect(decodeEntry(offset, bytes)).toEqual({ ...entry, offset, bytes: bytes.length })
      }),
    )
  })

  it('decodes from the middle of a buffer, too', () => {
    const bytes = encodeEntry({ kind: 'direct', to: 'b', from: 'a', data: '"ї"', at: 1, node: 'n', sequence: 2 })
    const middle = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]).subarray(6, 6 + bytes.length)
    expect(decodeEntry(1, middle)).toMatchObject({ kind: 'direct', data: '"ї"', bytes: bytes.length })
  })

  it.each([
    ['of a later version', '{"v":2,"k":"message","t":5,"n":"node","s":6,"new":true}\n"data"'],
    ['of a kind that is not known', '{"v":1,"k":"poll","t":5,"n":"node","s":6}\n'],
    ['of a kind that is not known, without data', '{"v":1,"k":"poll","t":5,"n":"node","s":6}'],
  ])('%s reads as unknown, with its place and its origin', (_, line) => {
    const bytes = Buffer.from(line)
    const common = { at: 5, node: 'node', sequence: 6, bytes: bytes.length }
    expect(decodeEntry(9, bytes)).toEqual({ kind: 'unknown', offset: 9, ...common })
  })

  it('with unknown fields decodes without them', () => {
    const bytes = Buffer.from('{"v":1,"k":"message","t":5,"n":"node","s":6,"c":"lobby","f":"anna","zz":1}\n{"a":1}')
    expect(decodeEntry(1, bytes)).toEqual({
      ...{ kind: 'message', channel: 'lobby', from: 'anna', data: '{"a":1}' },
      ...{ offset: 1, at: 5, node: 'node', sequence: 6, bytes: bytes.length },
    })
  })

  it.each(['', 'no json\n"data"', '{"v":1,"k":"mess'])('is not %j', (line) => {
    expect(() => decodeEntry(1, Buffer.from(line))).toThrow(SyntaxError)
  })
})
