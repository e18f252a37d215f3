/** Audiences: subscribers that receive the same bytes are in one audience. */
import { expect, test } from 'vitest'
import { UTF8_ENCODING, type GroupMember } from '../../src/connections/encoding.js'
import { Audiences, type Audience } from '../../src/hub/audience.js'
import { FakeTransport } from '../support/fake-transport.js'

/** How many connections are in a channel. */
const countIn = (audiences: Audiences<GroupMember>, channel: string): number =>
  [...audiences.of(channel)].reduce((sum, { size }) => sum + size, 0)

const member = (): GroupMember => ({ transport: new FakeTransport() })

test('connections with the same channels and language share an audience, in whatever order they name the channels', () => {
  const audiences = new Audiences<GroupMember>()
  const first = audiences.enter(['lobby', 'news'], 'uk')
  expect(audiences.enter(['news', 'lobby', 'news'], 'uk')).toBe(first)
  expect([...first.channels].toSorted()).toEqual(['lobby', 'news'])
  expect(first.size).toBe(2)
})

test('a connection with another language or channel belongs to another audience', () => {
  const audiences = new Audiences<GroupMember>()
  const first = audiences.enter(['lobby'], 'uk')
  const others = [audiences.enter(['lobby'], 'en'), audiences.enter(['lobby', 'news'], 'uk'), audiences.enter([], 'uk')]
  expect(new Set([first, ...others]).size).toBe(4)
  expect(new Set([first, ...others].map(({ id }) => id)).size).toBe(4)
})

test('a connection with another encoding belongs to another audience', () => {
  const audiences = new Audiences<GroupMember>()
  const first = audiences.enter(['lobby'], 'uk')
  expect(audiences.enter(['lobby'], 'uk', { ...UTF8_ENCODING, name: 'other' })).not.toBe(first)
})

test('a channel lists its audiences and counts its connections, including those that are behind', () => {
  const audiences = new Audiences<GroupMember>()
  const lobby = audiences.enter(['lobby'], 'uk')
  audiences.enter(['lobby'], 'uk')
  const both = audiences.enter(['lobby', 'news'], 'en')
  lobby.goLive(member())
  expect([...audiences.of('lobby')]).toEqual([lobby, both])
  expect([...audiences.of('news')]).toEqual([both])
  expect(['lobby', 'news', 'sport'].map((channel) => countIn(audiences, channel))).toEqual([3, 1, 0])
})

test('a closing connection does not go live', () => {
  const audience = new Audiences<GroupMember>().enter(['lobby'], 'uk')
  const transport = new FakeTransport()
  transport.isOpen = false
  audience.goLive({ transport })
  expect(audience.live.size).toBe(0)
})

test('a connection that leaves is no longer live, and the index removes an empty audience', () => {
  const audiences = new Audiences<GroupMember>()
  const [anna, bob] = [member(), member()]
  const audience = audiences.enter(['lobby'], 'uk')
  audiences.enter(['lobby'], 'uk')
  audience.goLive(anna)
  audience.goLive(bob)
  audiences.leave(audience, anna)
  expect([...audience.live]).toEqual([bob])
  expect(countIn(audiences, 'lobby')).toBe(1)
  audiences.leave(audience, bob)
  expect(audiences.of('lobby').size).toBe(0)
  expect(audiences.enter(['lobby'], 'uk')).not.toBe(audience)
})

test('a removed audience does not affect a later one with the same channels', () => {
  const audiences = new Audiences<GroupMember>()
  const anna = member()
  const old: Audience<GroupMember> = audiences.enter(['lobby', 'news'], 'uk')
  audiences.leave(old, anna)
  const fresh = audiences.enter(['lobby', 'news'], 'uk')
  expect([...audiences.of('lobby')]).toEqual([fresh])
  expect([...audiences.of('news')]).toEqual([fresh])
  expect(fresh.size).toBe(1)
})
