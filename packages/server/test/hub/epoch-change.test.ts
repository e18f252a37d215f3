/**
 * The change of the epoch: connections of the old epoch wait for their close, and the server paces the closes.
 */
import { describe, expect, test } from 'vitest'
import type { NewEntry } from '../../src/journal/journal.js'
import type { LogFields } from '../../src/observability/log.js'
import { messageEntry } from '../support/entries.js'
import { openHub, type Member, type TestHub } from '../support/test-hub.js'

const message = (from: string): NewEntry => messageEntry({ node: 'other', from })

const isClosed = ({ transport }: Member): boolean => !transport.isOpen

const joinMany = ({ join }: TestHub, count: number): Member[] =>
  Array.from({ length: count }, (_, index) => join(`client-${index}`))

describe('when the journal is replaced', () => {
  test('a connection learns when to reconnect, and is closed with 4010', async () => {
    const { journal, clock, join } = await openHub()
    const anna = join('anna', { locale: 'en' })
    journal.listener?.onEpoch('other', 1)
    clock.advance(10)
    const reason = 'The journal was replaced: please connect again'
    expect(anna.transport.messages).toEqual([{ type: 'closing', code: 4010, reason, returnInMs: 250 }])
    expect(anna.transport.calls).toEqual([`close 4010 ${reason}`])
    expect(anna.connection.serverClose).toBe('replaced')
  })

  test('the pacing closes at most 1,000 connections per second, and all of them in the end', async () => {
    const hub = await openHub()
    const { journal, clock } = hub
    const members = joinMany(hub, 2345)
    journal.listener?.onEpoch('other', 1)
    const closedAt: number[] = []
    for (let count = 0; count < members.length;) {
      clock.advance(1)
      const now = members.filter(isClosed).length
      closedAt.push(...Array.from({ length: now - count }, () => clock.monotonic()))
      count = now
    }
    for (const [index, at] of closedAt.entries()) expect((closedAt[index + 1000] ?? Infinity) - at).toBeGreaterThan(999)
    expect(closedAt.at(-1)).toBeLessThanOrEqual(2350)
    clock.advance(20)
    expect(clock.running).toBe(0)
  })

  test('the server reports how many connections it has closed, and the most within a second', async () => {
    const lines: LogFields[] = []
    const hub = await openHub({ onInfo: (event, fields) => event === 'journal.closes' && lines.push(fields) })
    const members = joinMany(hub, 1850)
    for (const { transport } of members.slice(0, 50)) transport.end()
    hub.journal.listener?.onEpoch('other', 1)
    hub.clock.advance(400)
    hub.clock.stall(900)
    hub.clock.advance(1400)
    expect(members.every(isClosed)).toBe(true)
    expect(lines).toEqual([{ connections: 1800, mostInASecond: 1090, forMs: 2610 }])
  })

  test('a late tick closes the connections that came due meanwhile, at most 100', async () => {
    const hub = await openHub()
    const { journal, clock } = hub
    const members = joinMany(hub, 400)
    const closedAfterStall = (ms: number): number => {
      const before = members.filter(isClosed).length
      clock.stall(ms)
      return members.filter(isClosed).length - before
    }
    journal.listener?.onEpoch('other', 1)
    expect([60, 13.4, 10.6, 100, 2500, 10].map(closedAfterStall)).toEqual([60, 13, 11, 100, 100, 10])
  })

  test('a connection of the old epoch receives no entry of the new one, behind or not, and a new connection is served at once', async () => {
    const hub = await openHub()
    const { journal, join } = hub
    const [anna, bohdan] = joinMany(hub, 2) as [Member, Member]
    anna.transport.isFull = true
    journal.say(message('zoe'))
    journal.say(message('zoe'))
    expect([anna, bohdan].map(({ transport }) => transport.messages.length)).toEqual([1, 2])
    journal.listener?.onEpoch('other', 1)
    const vira = join('vira')
    journal.say(message('zoe'), message(anna.connection.clientId))
    anna.transport.isFull = false
    hub.hub.delivery.drained(anna.connection)
    expect([anna, bohdan].map(({ transport }) => transport.messages.length)).toEqual([1, 2])
    expect(vira.transport.messages).toHaveLength(2)
    expect(hub.hub.subscriptions.memberCount).toBe(1)
  })

  test('and replaced again, the server closes the connections of both old epochs, each once', async () => {
    const hub = await openHub()
    const { journal, clock, join } = hub
    const members = joinMany(hub, 15)
    journal.listener?.onEpoch('second', 1)
    members.push(join('late'))
    clock.advance(10)
    journal.listener?.onEpoch('third', 1)
    const newest = join('newest')
    clock.advance(30)
    expect(members.map(({ transport }) => transport.calls.length)).toEqual(members.map(() => 1))
    expect(isClosed(newest)).toBe(false)
  })

  test('a connection that ends by itself does not count towards the pace', async () => {
    const hub = await openHub()
    const members = joinMany(hub, 30)
    hub.journal.listener?.onEpoch('other', 1)
    for (const { transport } of members.slice(0, 12)) transport.end()
    hub.clock.advance(10)
    expect(members.slice(12).filter(isClosed)).toHaveLength(10)
  })

  test('the pacing ends when a shutdown takes over', async () => {
    const hub = await openHub()
    const members = joinMany(hub, 30)
    hub.journal.listener?.onEpoch('other', 1)
    hub.clock.advance(10)
    hub.hub.epochChange.stop()
    hub.clock.advance(1000)
    expect(members.filter(isClosed)).toHaveLength(10)
    expect(hub.clock.running).toBe(0)
  })

  test('a handshake that waits for an offset of the old journal stops waiting', async () => {
    const { hub, journal } = await openHub()
    const waiting = hub.feed.waitForCursor({ epoch: 'epoch', offset: 50 }, 180_000)
    journal.listener?.onEpoch('other', 1)
    await waiting
  })
})
