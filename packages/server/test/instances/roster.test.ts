/** Rosters in chunks. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chunksOf, RosterAssembly } from '../../src/instances/roster.js'
import type { Claim } from '../../src/journal/journal.js'

const claimOf = (index: number): Claim => ({
  clientId: `client-${index}-${'x'.repeat(50)}`,
  connectionId: '00000000-0000-4000-8000-000000000000',
  sessionHash: 'x'.repeat(22),
  hasToken: true,
  isMoving: false,
  admittedAt: 1_000_000_000_000,
})

test('an instance without clients has a roster of one empty chunk', () => {
  const chunks = chunksOf([], [])
  expect(chunks).toEqual([{ part: 0, parts: 1, claims: [], members: [] }])
  expect(new RosterAssembly().take('a', chunks[0] as (typeof chunks)[0])).toEqual({ claims: [], members: [] })
})

test('no chunk is larger than 256 KiB, and the chunks together make the roster', () => {
  const claims = Array.from({ length: 10_000 }, (_, index) => claimOf(index))
  const clients = claims.map(({ clientId }) => clientId)
  const channels = Array.from({ length: 99 }, (_, index) => `channel-${index}-${'y'.repeat(52)}`)
  const chunks = chunksOf(claims, [{ channels, clients }])
  for (const chunk of chunks) expect(JSON.stringify(chunk).length).toBeLessThanOrEqual(256 * 1024)
  const assembly = new RosterAssembly()
  const complete = chunks.map((chunk) => assembly.take('a', chunk))
  expect(complete.slice(0, -1).every((roster) => roster === undefined)).toBe(true)
  expect(complete.at(-1)?.claims).toEqual(claims)
  expect(complete.at(-1)?.members.flatMap((group) => group.clients)).toEqual(clients)
})

test('rosters of several instances may interleave', () => {
  const assembly = new RosterAssembly()
  const claims = Array.from({ length: 2000 }, (_, index) => claimOf(index))
  const chunks = chunksOf(claims, [])
  const results = chunks.flatMap((chunk) => [assembly.take('a', chunk), assembly.take('b', chunk)])
  expect(results.filter((roster) => roster !== undefined)).toHaveLength(2)
})

test('a reader discards a roster that lacks a chunk, and accepts the next one', () => {
  const assembly = new RosterAssembly()
  const chunks = chunksOf(
    Array.from({ length: 3000 }, (_, index) => claimOf(index)),
    [],
  )
  expect(chunks.length).toBeGreaterThan(2)
  for (const chunk of chunks.filter(({ part }) => part !== 1)) expect(assembly.take('a', chunk)).toBeUndefined()
  const again = chunks.map((chunk) => assembly.take('a', chunk))
  expect(again.at(-1)?.claims).toHaveLength(3000)
})

test('property: groups of any sizes decode completely', () => {
  const name = fc.stringMatching(/^[a-z]{1,8}$/)
  const group = fc.record({
    channels: fc.uniqueArray(name, { minLength: 1, maxLength: 99 }),
    clients: fc.uniqueArray(name, { minLength: 1, maxLength: 200 }),
  })
  fc.assert(
    fc.property(fc.array(group, { maxLength: 40 }), (groups) => {
      const assembly = new RosterAssembly()
      const roster = chunksOf([], groups)
        .map((chunk) => assembly.take('a', chunk))
        .at(-1)
      const pairs = (list: typeof groups): string[] =>
        list.flatMap(({ channels, clients }) =>
          clients.flatMap((client) => channels.map((channel) => `${channel} ${client}`)),
        )
      expect(pairs([...(roster?.members ?? [])] as typeof groups)).toEqual(pairs(groups))
    }),
  )
})
