/** Snapshots of the members of channels. */
import { beforeEach, expect, test } from 'vitest'
import { Membership } from '../../src/presence/membership.js'
import { MAX_NAMES_PER_FRAME } from '../../src/hub/presence-changes.js'
import { Snapshots } from '../../src/presence/snapshot.js'

let membership: Membership
let snapshots: Snapshots

beforeEach(() => {
  membership = new Membership()
  snapshots = new Snapshots({ membership, listLimit: 3 })
})

function join(channel: string, ...joined: string[]): void {
  for (const change of membership.apply('a', [{ channels: [channel], joined, left: [] }])) {
    snapshots.invalidate(change.channel)
  }
}

const read = (clientId: string, ...channels: string[]): unknown => JSON.parse(snapshots.textFor(clientId, channels))

test('names and counts the members', () => {
  join('lobby', 'anna', 'borys')
  expect(read('anna', 'lobby')).toEqual({ lobby: { clients: [{ clientId: 'anna' }, { clientId: 'borys' }], count: 2 } })
})

test('contains the receiving client before its join has come back from the journal', () => {
  expect(read('vira', 'lobby')).toEqual({ lobby: { clients: [{ clientId: 'vira' }], count: 1 } })
  join('lobby', 'anna')
  expect(read('vira', 'lobby')).toEqual({ lobby: { clients: [{ clientId: 'vira' }, { clientId: 'anna' }], count: 2 } })
})

test('follows the changes', () => {
  join('lobby', 'anna')
  read('anna', 'lobby')
  join('lobby', 'borys')
  expect(read('anna', 'lobby')).toMatchObject({ lobby: { count: 2 } })
})

test('names as many members as the limit allows', () => {
  join('lobby', 'anna', 'borys', 'vira', 'ivan')
  expect(read('anna', 'lobby')).toEqual({
    lobby: { clients: [{ clientId: 'anna' }, { clientId: 'borys' }, { clientId: 'vira' }], count: 4 },
  })
})

test('names at most a thousand clients in one frame, and has counts for the other channels', () => {
  const many = new Snapshots({ membership, listLimit: 600 })
  const crowd = Array.from({ length: 600 }, (_, index) => `client-${index}`)
  for (const channel of ['one', 'two']) join(channel, ...crowd)
  const text = JSON.parse(many.textFor('client-0', ['one', 'two'])) as Record<
    string,
    { clients: object[]; count: number }
  >
  expect(text['one']?.clients).toHaveLength(600)
  expect(text['two']).toEqual({ clients: [], count: 600 })
  expect(MAX_NAMES_PER_FRAME).toBe(1000)
})
