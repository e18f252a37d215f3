/** Which instance holds which clientId. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Claims, type ClaimOutcome } from '../../src/instances/claims.js'
import type { Claim } from '../../src/journal/journal.js'
import { finish } from '../support/pieces.js'

const claimOf = (clientId: string, connectionId: string, rest: Partial<Claim> = {}): Claim => ({
  ...{
    clientId,
    connectionId,
    sessionHash: `session of ${connectionId}`,
    hasToken: false,
    isMoving: false,
    admittedAt: 0,
  },
  ...rest,
})

/** Replaces the claims of an instance, and returns the outcome of each. */
function replace(claims: Claims, node: string, roster: readonly Claim[]): { claim: Claim; outcome: ClaimOutcome }[] {
  const outcomes: { claim: Claim; outcome: ClaimOutcome }[] = []
  finish(claims.replace(node, roster, (claim, outcome) => outcomes.push({ claim, outcome })))
  return outcomes
}

describe('a claim', () => {
  test('for a free clientId holds', () => {
    const claims = new Claims()
    expect(claims.claim('a', claimOf('anna', '1'))).toEqual({ kind: 'held' })
    expect(claims.holderOf('anna')).toMatchObject({ node: 'a', connectionId: '1' })
  })

  test('with the same session supersedes an earlier one', () => {
    const claims = new Claims()
    claims.claim('a', claimOf('anna', '1', { sessionHash: 'x' }))
    expect(claims.claim('b', claimOf('anna', '2', { sessionHash: 'x' }))).toMatchObject({
      kind: 'superseded',
      loser: { node: 'a', connectionId: '1' },
    })
    expect(claims.holderOf('anna')?.node).toBe('b')
  })

  test('that was made earlier does not supersede a later one, although it stands behind it in the journal', () => {
    const claims = new Claims()
    claims.claim('b', claimOf('anna', '2', { sessionHash: 'x', admittedAt: 7 }))
    expect(claims.claim('a', claimOf('anna', '1', { sessionHash: 'x', admittedAt: 6 }))).toMatchObject({
      kind: 'outdated',
      holder: { node: 'b' },
    })
    expect(claims.holderOf('anna')?.node).toBe('b')
  })

  test('of a roster supersedes an earlier one of the same client', () => {
    const claims = new Claims()
    claims.claim('a', claimOf('anna', '1', { sessionHash: 'x', admittedAt: 6 }))
    const roster = [claimOf('anna', '2', { sessionHash: 'x', admittedAt: 7 })]
    expect(replace(claims, 'b', roster)).toMatchObject([{ outcome: { kind: 'superseded', loser: { node: 'a' } } }])
  })

  test('with a token supersedes one of another session', () => {
    const claims = new Claims()
    claims.claim('a', claimOf('anna', '1'))
    expect(claims.claim('b', claimOf('anna', '2', { hasToken: true })).kind).toBe('superseded')
  })

  test('without a proof is void while another claim holds', () => {
    const claims = new Claims()
    claims.claim('a', claimOf('anna', '1'))
    expect(claims.claim('b', claimOf('anna', '2'))).toMatchObject({ kind: 'void', holder: { node: 'a' } })
    expect(claims.holderOf('anna')?.node).toBe('a')
  })

  test('of the same instance replaces its own, because the instance has decided already', () => {
    const claims = new Claims()
    claims.claim('a', claimOf('anna', '1'))
    expect(claims.claim('a', claimOf('anna', '2'))).toEqual({ kind: 'held' })
    claims.release('a', { clientId: 'anna', connectionId: '1' })
    expect(claims.holderOf('anna')?.connectionId).toBe('2')
  })
})

describe('a release', () => {
  test('frees the clientId', () => {
    const claims = new Claims()
    claims.claim('a', claimOf('anna', '1'))
    claims.release('a', { clientId: 'anna', connectionId: '1' })
    expect(claims.claim('b', claimOf('anna', '2')).kind).toBe('held')
  })

  test('of a superseded claim leaves the later one alone', () => {
    const claims = new Claims()
    claims.claim('a', claimOf('anna', '1', { sessionHash: 'x' }))
    claims.claim('b', claimOf('anna', '2', { sessionHash: 'x' }))
    claims.release('a', { clientId: 'anna', connectionId: '1' })
    expect(claims.holderOf('anna')?.node).toBe('b')
  })
})

test('an ended instance holds no clientId', () => {
  const claims = new Claims()
  claims.claim('a', claimOf('anna', '1'))
  claims.drop('a')
  expect(claims.claim('b', claimOf('anna', '2')).kind).toBe('held')
})

test('an instance that returns claims its clients again, except those that have migrated meanwhile', () => {
  const claims = new Claims()
  const [anna, borys] = [claimOf('anna', '1', { sessionHash: 'x' }), claimOf('borys', '2')]
  claims.claim('a', anna)
  claims.claim('a', borys)
  claims.drop('a')
  claims.claim('b', claimOf('anna', '3', { sessionHash: 'x', admittedAt: 9 }))
  expect(replace(claims, 'a', [anna, borys])).toMatchObject([
    { claim: { clientId: 'anna' }, outcome: { kind: 'outdated', holder: { node: 'b' } } },
    { claim: { clientId: 'borys' }, outcome: { kind: 'held' } },
  ])
  expect(claims.holderOf('anna')?.node).toBe('b')
  expect(claims.holderOf('borys')?.node).toBe('a')
})

test('a roster releases what it no longer contains', () => {
  const claims = new Claims()
  claims.claim('a', claimOf('anna', '1'))
  replace(claims, 'a', [claimOf('borys', '2')])
  expect(claims.holderOf('anna')).toBeUndefined()
  const only = new Claims()
  only.claim('a', claimOf('borys', '2'))
  expect(claims.digestOf('a')).toBe(only.digestOf('a'))
})

test('counts the clients of other instances', () => {
  const claims = new Claims()
  claims.claim('a', claimOf('anna', '1'))
  claims.claim('b', claimOf('borys', '2'))
  claims.claim('b', claimOf('vira', '3'))
  expect(claims.countElsewhere('a')).toBe(2)
  expect(claims.countElsewhere('b')).toBe(1)
})

const NODES = ['a', 'b', 'c'] as const
const step = fc.record({
  what: fc.constantFrom('claim', 'claim', 'release', 'drop', 'replace'),
  node: fc.constantFrom(...NODES),
  client: fc.constantFrom('anna', 'borys'),
  connection: fc.integer({ min: 1, max: 6 }),
  session: fc.constantFrom('x', 'y'),
  hasToken: fc.boolean(),
  admittedAt: fc.integer({ min: 0, max: 3 }),
})

/** The claims that each instance has made and not released: node → clientId → claim. */
class MadeClaims {
  readonly #byNode = new Map<string, Map<string, Claim>>(NODES.map((node) => [node, new Map<string, Claim>()]))

  of(node: string): Map<string, Claim> {
    return this.#byNode.get(node) ?? new Map<string, Claim>()
  }

  note(what: string, node: string, claim: Claim): void {
    const made = this.of(node)
    if (what === 'drop' || what === 'replace') made.clear()
    if (what === 'claim' || what === 'replace') made.set(claim.clientId, claim)
    if (what === 'release' && made.get(claim.clientId)?.connectionId === claim.connectionId) made.delete(claim.clientId)
  }
}

test('property: a clientId has at most one holder, which its own instance has claimed, and two readers always agree', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const readers = [new Claims(), new Claims()]
      const made = new MadeClaims()
      for (const { what, node, client, connection, session, hasToken, admittedAt } of steps) {
        const claim = claimOf(client, String(connection), { sessionHash: session, hasToken, admittedAt })
        const outcomes = readers.map((reader) => {
          if (what === 'claim') return reader.claim(node, claim)
          if (what === 'replace') return replace(reader, node, [claim])
          if (what === 'release') return reader.release(node, claim)
          return reader.drop(node)
        })
        expect(outcomes[0]).toEqual(outcomes[1])
        made.note(what, node, claim)
      }
      const [reader] = readers as [Claims]
      for (const node of NODES) {
        const others = ['anna', 'borys'].filter((clientId) => (reader.holderOf(clientId)?.node ?? node) !== node)
        expect(reader.countElsewhere(node)).toBe(others.length)
      }
      for (const clientId of ['anna', 'borys']) {
        const holder = reader.holderOf(clientId)
        if (!holder) continue
        expect(made.of(holder.node).get(clientId)?.connectionId).toBe(holder.connectionId)
      }
      // The digest depends on the claims and not on the way to them.
      for (const node of NODES) {
        const late = new Claims()
        replace(late, node, [...made.of(node).values()])
        expect(late.digestOf(node)).toBe(reader.digestOf(node))
      }
    }),
  )
})
