/** The hub: the frames of a connection that is live, behind or resuming. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Entry, NewEntry } from '../../src/journal/journal.js'
import { anyContent, messageEntry, placed, placeholderEntry, SOME_CHANNELS } from '../support/entries.js'
import { expectedOf, told, type Told } from '../support/expected.js'
import { openHub, turns, type Member, type TestHub } from '../support/test-hub.js'

const message = (some: Parameters<typeof messageEntry>[0] = {}): NewEntry => messageEntry({ node: 'other', ...some })

const at = (offset: number, epoch = 'epoch'): { epoch: string; offset: number } => ({ epoch, offset })

/** So many messages by `zoe` to the lobby. */
const chatter = (count: number): NewEntry[] => Array.from({ length: count }, () => message({ from: 'zoe' }))

const offsets = ({ transport }: Member): unknown[] => transport.messages.map(({ offset }) => offset)

function drain(hub: TestHub['hub'], { connection, transport }: Member): void {
  transport.isFull = false
  hub.delivery.drained(connection)
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('a batch', () => {
  test('is one write per connection, with the same bytes for all members of an audience', async () => {
    const { journal, join } = await openHub()
    const [anna, bob, cleo] = [join('anna'), join('bob'), join('cleo')]
    journal.say(message({ from: 'anna', id: 'x' }), message({ from: 'zoe' }))
    expect([anna, bob, cleo].map(({ transport }) => transport.writes.length)).toEqual([1, 1, 1])
    expect(told(anna.transport.messages)).toEqual([
      ['ack', 1],
      ['message', 2],
    ])
    expect(bob.transport.writes).toEqual(cleo.transport.writes)
    expect(offsets(bob)).toEqual([1, 2])
  })

  test('writes nothing to a connection that it does not concern', async () => {
    const { journal, join } = await openHub()
    const anna = join('anna', { channels: [] })
    journal.say(...chatter(3))
    expect(anna.transport.writes).toEqual([])
  })

  test('continues after a connection that has ended', async () => {
    const { journal, join, stats } = await openHub()
    const [anna, bob] = [join('anna'), join('bob')]
    anna.transport.isOpen = false
    journal.say(...chatter(1))
    expect(offsets(bob)).toEqual([1])
    expect(stats.failedBroadcasts).toBe(1)
    expect(stats.deliveries).toBe(1)
  })
})

test('a placeholder reaches no client, does not count as unknown, and a client can resume across it', async () => {
  const { hub, journal, join, stats } = await openHub()
  const anna = join('anna')
  const placeholder = placeholderEntry() as unknown as NewEntry
  journal.say(placeholder, ...chatter(1), placeholder)
  const bob = join('bob', { cursor: at(0) })
  await turns()
  expect([offsets(anna), offsets(bob), hub.feed.window.head]).toEqual([[2], [2], 3])
  expect([bob.start.recovered, stats.unknownEntries]).toEqual([true, 0])
})

describe('a connection that joins', () => {
  async function withHistory(): Promise<TestHub> {
    const made = await openHub({ retention: { maxEntries: 5, maxAgeMs: Infinity, maxBytes: Infinity } })
    made.journal.say(...chatter(10))
    return made
  }

  test('without a cursor begins at the head', async () => {
    const { journal, join } = await withHistory()
    const anna = join('anna')
    expect(anna.start).toEqual({ cursor: 'epoch:10', recovered: null })
    journal.say(...chatter(1))
    expect(offsets(anna)).toEqual([11])
  })

  test('with a cursor gets the missed entries and then the new ones, in order', async () => {
    const { journal, join, stats } = await withHistory()
    const anna = join('anna', { cursor: at(7) })
    expect(anna.start).toEqual({ cursor: 'epoch:7', recovered: true })
    expect(anna.transport.writes).toEqual([])
    journal.say(...chatter(2))
    await turns()
    journal.say(...chatter(1))
    expect(offsets(anna)).toEqual(range(8, 13))
    expect([stats.resumesRecovered, stats.resumesNotRecovered]).toEqual([1, 0])
  })

  test('with the oldest valid cursor gets every retained entry', async () => {
    const { join } = await withHistory()
    const anna = join('anna', { cursor: at(5) })
    await turns()
    expect(anna.start.recovered).toBe(true)
    expect(offsets(anna)).toEqual(range(6, 10))
  })

  test('with the cursor of the head has missed nothing and is live at once', async () => {
    const { journal, join, hub } = await withHistory()
    const anna = join('anna', { cursor: at(10) })
    expect(anna.start).toEqual({ cursor: 'epoch:10', recovered: true })
    expect(hub.delivery.catchUps.size).toBe(0)
    journal.say(...chatter(1))
    expect(offsets(anna)).toEqual([11])
  })

  test.each([
    ['older than what is kept', at(4)],
    ['ahead of the head', at(11)],
    ['of another journal', at(10, 'other')],
    ['malformed', 'malformed' as const],
  ])('with a cursor that is %s gets recovered: false, and begins at the head', async (_name, cursor) => {
    const { journal, join, stats } = await withHistory()
    const anna = join('anna', { cursor })
    expect(anna.start).toEqual({ cursor: 'epoch:10', recovered: false })
    journal.say(...chatter(1))
    await turns()
    expect(offsets(anna)).toEqual([11])
    expect([stats.resumesRecovered, stats.resumesNotRecovered]).toEqual([0, 1])
  })
})

describe('a connection whose socket is full', () => {
  test('gets no frame until it drains, and then gets every entry in order', async () => {
    const { hub, journal, join } = await openHub()
    const [anna, bob] = [join('anna'), join('bob')]
    anna.transport.isFull = true
    for (let index = 0; index < 10; index++) journal.say(...chatter(3))
    await turns()
    expect(offsets(anna)).toEqual([1, 2, 3])
    expect(hub.delivery.catchUps.size).toBe(1)
    expect(offsets(bob)).toEqual(range(1, 30))
    drain(hub, anna)
    journal.say(...chatter(1))
    await turns()
    expect(offsets(anna)).toEqual(range(1, 31))
    expect(hub.delivery.catchUps.size).toBe(0)
    journal.say(...chatter(1))
    expect(offsets(anna)).toEqual(range(1, 32))
  })

  test('is closed with 4008 as soon as the window evicts its unread entries', async () => {
    const { journal, join } = await openHub({ retention: { maxEntries: 5, maxAgeMs: Infinity, maxBytes: Infinity } })
    const anna = join('anna')
    anna.transport.isFull = true
    journal.say(...chatter(1))
    journal.say(...chatter(5))
    expect(anna.transport.calls).toEqual([])
    journal.say(...chatter(1))
    expect(anna.transport.calls).toEqual(['close 4008 Непрочитане вже не зберігається'])
    expect(anna.connection.serverClose).toBe('slow')
    expect(offsets(anna)).toEqual([1])
  })

  test('is closed with 4008 when its unread entries expire, even without new entries', async () => {
    const { hub, journal, clock, join } = await openHub({
      retention: { maxEntries: 100, maxAgeMs: 1000, maxBytes: Infinity },
    })
    const anna = join('anna')
    anna.transport.isFull = true
    journal.say(message({ at: clock.now() }))
    journal.say(message({ at: clock.now() }))
    clock.advance(1000)
    hub.sweep()
    expect(anna.transport.calls).toEqual([])
    clock.advance(1)
    hub.sweep()
    expect(anna.transport.calls).toEqual([expect.stringMatching(/^close 4008/)])
  })
})

describe('connections that join, fall behind, drain and change channels at any time', () => {
  const CLIENTS = ['anna', 'bob', 'cleo'] as const
  const who = fc.nat(CLIENTS.length - 1)
  type Step =
    | { readonly do: 'say'; readonly contents: readonly Parameters<typeof placed>[0][] }
    | { readonly do: 'turn' }
    | { readonly do: 'full' | 'drain' | 'leave'; readonly who: number }
    | {
        readonly do: 'join'
        readonly who: number
        readonly channels: readonly string[]
        readonly back: number | undefined
      }
    | { readonly do: 'subscribe' | 'unsubscribe'; readonly who: number; readonly channels: readonly string[] }

  const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('say'),
        contents: fc.array(anyContent, { minLength: 1, maxLength: 6 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constantFrom('full', 'drain', 'leave'), who }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('join'),
        who,
        channels: fc.subarray([...SOME_CHANNELS]),
        back: fc.option(fc.nat(20), { nil: undefined }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('subscribe', 'unsubscribe'),
        who,
        channels: fc.subarray([...SOME_CHANNELS], { minLength: 1 }),
      }),
    },
    { weight: 2, arbitrary: fc.constant({ do: 'turn' }) },
  )

  /** A connection and in which channels it is from which offset on. */
  interface Present {
    readonly member: Member
    readonly from: number
    /** The snapshot of a resuming client contains the presence up to here. */
    readonly snapshotAt: number
    readonly stretches: { readonly after: number; readonly channels: ReadonlySet<string> }[]
  }

  const offsetOf = (cursor: string): number => Number(cursor.split(':')[1])

  /** The frames that this connection must receive of all entries. */
  function expectedFor({ member, from, snapshotAt, stretches }: Present, entries: readonly Entry[]): Told[] {
    const { clientId } = member.connection
    return entries.flatMap((entry, index) => {
      if (entry.offset <= from) return []
      if (entry.kind === 'presence' && entry.offset <= snapshotAt) return []
      const channels = stretches.findLast(({ after }) => after < entry.offset)?.channels ?? new Set<string>()
      const listener = { clientId, channels }
      const before = entries.slice(0, index)
      return expectedOf([...before, entry], listener).slice(expectedOf(before, listener).length)
    })
  }

  test('receive exactly the entries that concern them, in order, without a gap or a repeat', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { hub, journal, join, leave } = await openHub()
        const entries: Entry[] = []
        const present = new Map<number, Present>()
        const gone: Present[] = []
        const part = (index: number): void => {
          const one = present.get(index)
          if (!one) return
          leave(one.member)
          present.delete(index)
          gone.push(one)
        }
        for (const each of steps) {
          if (each.do === 'say') {
            const said = each.contents.map((content) => placed(content, { offset: entries.length + 1, node: 'other' }))
            for (const entry of said) entries.push({ ...entry, offset: entries.length + 1 })
            journal.say(...(said as unknown as NewEntry[]))
            continue
          }
          if (each.do === 'turn') {
            await turns(1)
            continue
          }
          const one = present.get(each.who)
          if (each.do === 'join') {
            part(each.who)
            const cursor = each.back === undefined ? undefined : at(Math.max(0, entries.length - each.back))
            const member = join(CLIENTS[each.who] as string, { channels: each.channels, ...(cursor && { cursor }) })
            expect(member.start.recovered).toBe(cursor ? true : null)
            const from = offsetOf(member.start.cursor)
            const snapshotAt = cursor ? entries.length : 0
            present.set(each.who, {
              member,
              from,
              snapshotAt,
              stretches: [{ after: from, channels: new Set(each.channels) }],
            })
          } else if (!one) continue
          else if (each.do === 'leave') part(each.who)
          else if (each.do === 'full') one.member.transport.isFull = true
          else if (each.do === 'drain') drain(hub, one.member)
          else if ('channels' in each) {
            const before = one.stretches.at(-1)?.channels ?? new Set<string>()
            let after = 0
            if (each.do === 'subscribe') {
              hub.subscriptions.subscribe(one.member.connection, each.channels, undefined, (start) => {
                after = offsetOf(start.cursor)
                return Buffer.alloc(0)
              })
              one.stretches.push({ after, channels: new Set([...before, ...each.channels]) })
            } else {
              after = offsetOf(hub.subscriptions.unsubscribe(one.member.connection, each.channels).cursor)
              const left = [...before].filter((channel) => !each.channels.includes(channel))
              one.stretches.push({ after, channels: new Set(left) })
            }
          }
        }
        for (const { member } of present.values()) drain(hub, member)
        await turns()
        expect(hub.delivery.catchUps.size).toBe(0)
        for (const one of present.values()) {
          expect(told(one.member.transport.messages)).toEqual(expectedFor(one, entries))
        }
        for (const one of gone) {
          const heard = told(one.member.transport.messages)
          expect(heard).toEqual(expectedFor(one, entries).slice(0, heard.length))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('subscribing with `since`', () => {
  const frame = ({ cursor, recovered }: { cursor: string; recovered: boolean | null }): Buffer =>
    Buffer.from(`${JSON.stringify({ type: 'subscribed', cursor, recovered })}\n`)

  const types = ({ transport }: Member): unknown[] =>
    transport.messages.map(({ type, offset }) => (offset === undefined ? type : offset))

  async function withNews(): Promise<TestHub & { anna: Member }> {
    const made = await openHub()
    const anna = made.join('anna')
    // The entries 1 … 10 belong to news and lobby in turn.
    for (let index = 0; index < 5; index++) {
      made.journal.say(message({ channel: 'news', from: 'zoe' }), message({ channel: 'lobby', from: 'zoe' }))
    }
    anna.transport.writes.length = 0
    return { ...made, anna }
  }

  test('replays the later entries of the channel, then confirms the subscription, then delivers new entries', async () => {
    const { hub, journal, anna } = await withNews()
    hub.subscriptions.subscribe(anna.connection, ['news'], at(3), frame)
    journal.say(message({ channel: 'news' }), message({ channel: 'lobby' }))
    await turns()
    journal.say(message({ channel: 'news' }))
    expect(types(anna)).toEqual([5, 7, 9, 'subscribed', 11, 12, 13])
    expect(anna.transport.messages.find(({ type }) => type === 'subscribed')).toEqual({
      type: 'subscribed',
      cursor: 'epoch:10',
      recovered: true,
    })
  })

  test('does not replay channels that the connection is in already', async () => {
    const { hub, anna } = await withNews()
    hub.subscriptions.subscribe(anna.connection, ['news'], at(10), frame)
    await turns()
    expect(anna.transport.messages).toEqual([{ type: 'subscribed', cursor: 'epoch:10', recovered: true }])
  })

  test.each([
    ['malformed', 'malformed' as const],
    ['of another journal', at(3, 'other')],
    ['ahead of the head', at(11)],
  ])('that is %s gets recovered: false at once', async (_name, since) => {
    const { hub, journal, anna } = await withNews()
    hub.subscriptions.subscribe(anna.connection, ['news'], since, frame)
    journal.say(message({ channel: 'news' }))
    await turns()
    expect(anna.transport.messages[0]).toEqual({ type: 'subscribed', cursor: 'epoch:10', recovered: false })
    expect(types(anna)).toEqual(['subscribed', 11])
  })

  test('ends when the connection unsubscribes from the channel', async () => {
    const { hub, anna } = await withNews()
    anna.transport.isFull = true
    hub.subscriptions.subscribe(anna.connection, ['news'], at(0), frame)
    await turns()
    hub.subscriptions.unsubscribe(anna.connection, ['news'])
    drain(hub, anna)
    await turns()
    expect(types(anna).filter((type) => type !== 'subscribed')).toEqual([])
  })

  test('replays two channels one after the other', async () => {
    const { hub, anna } = await withNews()
    hub.subscriptions.subscribe(anna.connection, ['news'], at(6), frame)
    hub.subscriptions.subscribe(anna.connection, ['sport'], at(0), frame)
    await turns()
    expect(types(anna)).toEqual([7, 9, 'subscribed', 'subscribed'])
  })
})

describe('publishing', () => {
  const says = (id?: string, from = 'anna'): Parameters<TestHub['hub']['publishing']['publish']>[1] => ({
    kind: 'message',
    channel: 'lobby',
    from,
    data: '1',
    ...(id !== undefined && { id }),
  })

  test('is acknowledged from the journal, in the stream of the publisher', async () => {
    const { hub, journal, join } = await openHub()
    const [anna, bob] = [join('anna'), join('bob')]
    hub.publishing.publish(anna.connection, says('x'))
    await turns()
    expect(anna.transport.writes).toEqual([])
    journal.succeed()
    expect(anna.transport.messages).toEqual([{ type: 'ack', id: 'x', offset: 1 }])
    expect(bob.transport.messages).toMatchObject([{ type: 'message', from: 'anna', id: 'x', offset: 1 }])
  })

  test('again with the same id is acknowledged with the first offset and delivered to no subscriber', async () => {
    const { hub, journal, join, stats } = await openHub()
    const [anna, bob] = [join('anna'), join('bob')]
    hub.publishing.publish(anna.connection, says('x'))
    await turns()
    journal.succeed()
    hub.publishing.publish(anna.connection, says('x'))
    await turns()
    expect(journal.waiting).toEqual([])
    expect(told(anna.transport.messages)).toEqual([
      ['ack', 1],
      ['ack', 1],
    ])
    expect(offsets(bob)).toEqual([1])
    expect(stats.duplicates).toBe(1)
  })

  test('again while the first is under way appends once and acknowledges each', async () => {
    const { hub, journal, join } = await openHub()
    const [anna, bob] = [join('anna'), join('bob')]
    hub.publishing.publish(anna.connection, says('x'))
    hub.publishing.publish(anna.connection, says('x'))
    await turns()
    hub.publishing.publish(anna.connection, says('x'))
    expect(journal.appends.map((entries) => entries.length)).toEqual([1])
    journal.succeed()
    await turns()
    expect(told(anna.transport.messages)).toEqual([
      ['ack', 1],
      ['ack', 1],
      ['ack', 1],
    ])
    expect(offsets(bob)).toEqual([1])
  })

  test('again while the first is under way fails together with it', async () => {
    const { hub, journal, join, failures } = await openHub()
    const anna = join('anna')
    hub.publishing.publish(anna.connection, says('x'))
    hub.publishing.publish(anna.connection, says('x'))
    await turns()
    journal.fail(new Error('disk'))
    await turns()
    expect(failures).toEqual(['anna x journal_unavailable', 'anna x journal_unavailable'])
    expect(anna.connection.unacked).toBe(0)
  })

  test('a retry from a new connection while the first is under way is acknowledged on the new connection', async () => {
    const { hub, journal, join, leave } = await openHub()
    const first = join('anna')
    hub.publishing.publish(first.connection, says('x'))
    await turns()
    leave(first)
    const second = join('anna')
    hub.publishing.publish(second.connection, says('x'))
    await turns()
    expect(journal.appends).toHaveLength(1)
    journal.succeed()
    expect(second.transport.messages).toContainEqual({ type: 'ack', id: 'x', offset: 1 })
  })

  test('a retry whose first message is evicted before it is read back is acknowledged in the stream', async () => {
    const { hub, journal, join } = await openHub({
      retention: { maxEntries: 1, maxAgeMs: Infinity, maxBytes: Infinity },
    })
    const anna = join('anna')
    hub.publishing.publish(anna.connection, says('x'))
    hub.publishing.publish(anna.connection, says('x'))
    hub.publishing.publish(anna.connection, says('y'))
    await turns()
    journal.succeed()
    expect(told(anna.transport.messages)).toEqual([
      ['ack', 1],
      ['ack', 2],
    ])
    expect(anna.connection.unacked).toBe(0)
  })

  test('a retry on another instance is dropped on both instances', async () => {
    const { journal, join, stats } = await openHub()
    const [anna, bob] = [join('anna'), join('bob')]
    journal.say(message({ from: 'anna', id: 'x' }), message({ from: 'anna', id: 'x' }))
    expect(offsets(bob)).toEqual([1])
    expect(told(anna.transport.messages)).toEqual([
      ['ack', 1],
      ['ack', 1],
    ])
    expect(stats.duplicates).toBe(1)
  })

  test('a retry is acknowledged within the catch-up when the publisher has not reached the first ack yet', async () => {
    const { hub, journal, join } = await openHub()
    journal.say(message({ from: 'anna', id: 'x' }))
    const anna = join('anna', { cursor: at(0) })
    hub.publishing.publish(anna.connection, says('x'))
    expect(anna.transport.messages).toEqual([])
    await turns()
    expect(told(anna.transport.messages)).toEqual([['ack', 1]])
  })

  test('many messages at once stop the reading until half of them are acknowledged (backpressure)', async () => {
    const { hub, journal, join } = await openHub()
    const anna = join('anna')
    for (let index = 0; index < 63; index++) hub.publishing.publish(anna.connection, says())
    expect(anna.transport.calls).toEqual([])
    hub.publishing.publish(anna.connection, says())
    expect(anna.transport.calls).toEqual(['pause unacked'])
    await turns()
    journal.succeed()
    expect(anna.transport.calls).toEqual(['pause unacked', 'resume unacked'])
    expect(anna.connection.unacked).toBe(0)
  })

  test('settles when the hub has read every message back', async () => {
    const { hub, journal, join } = await openHub()
    hub.publishing.publish(join('anna').connection, says())
    let isSettled = false
    const settled = hub.publishing.settled().then(() => (isSettled = true))
    await turns()
    expect(isSettled).toBe(false)
    journal.succeed()
    await settled
  })
})

describe('a message on its way into the journal', () => {
  test('fails when the journal is replaced, and its publisher waits for its close', async () => {
    const { hub, journal, join, failures } = await openHub()
    const anna = join('anna')
    hub.publishing.publish(anna.connection, { kind: 'message', channel: 'lobby', from: 'anna', id: 'x', data: '1' })
    await turns()
    journal.lose()
    journal.listener?.onEpoch('other', 1)
    await hub.publishing.settled()
    expect(failures).toEqual(['anna x journal_unavailable'])
    expect([anna.connection.unacked, anna.connection.serverClose]).toEqual([0, undefined])
  })

  test('does not keep the hub from closing when the journal never answers', async () => {
    const { hub, journal, clock, failures, join } = await openHub()
    hub.publishing.publish(join('anna').connection, {
      kind: 'message',
      channel: 'lobby',
      from: 'anna',
      id: 'x',
      data: '1',
    })
    await turns()
    expect(journal.waiting).toHaveLength(1)
    const closing = hub.close()
    await turns()
    clock.advance(5000)
    await closing
    expect(failures).toEqual(['anna x journal_unavailable'])
  })

  test('delays the close of the hub, and no timer remains', async () => {
    const { hub, journal, clock } = await openHub()
    hub.publishing.publishOwn({ kind: 'rosterRequest', of: 'another' }, () => undefined)
    await turns()
    const closing = hub.close()
    journal.succeed()
    await closing
    expect(clock.running).toBe(0)
  })
})

describe('onceFlushed calls back', () => {
  test('at once when the connection has no due frame', async () => {
    const { join } = await openHub()
    let isServed = false
    join('anna').connection.onceFlushed(() => (isServed = true))
    expect(isServed).toBe(true)
  })

  test('when the last message is acknowledged, and not before the ack is written', async () => {
    const { hub, journal, join } = await openHub()
    const anna = join('anna')
    hub.publishing.publish(anna.connection, { kind: 'message', channel: 'lobby', from: 'anna', data: '1' })
    let toldBefore: unknown
    anna.connection.onceFlushed(() => (toldBefore = told(anna.transport.messages)))
    await turns()
    expect(toldBefore).toBeUndefined()
    journal.succeed()
    expect(toldBefore).toEqual([['ack', 1]])
  })

  test('when the connection has caught up', async () => {
    const { hub, journal, join } = await openHub()
    const anna = join('anna')
    anna.transport.isFull = true
    journal.say(...chatter(1))
    journal.say(...chatter(5))
    let isServed = false
    anna.connection.onceFlushed(() => (isServed = true))
    await turns()
    expect(isServed).toBe(false)
    drain(hub, anna)
    await turns()
    expect(isServed).toBe(true)
    expect(offsets(anna)).toEqual(range(1, 6))
  })

  test('when the connection has left', async () => {
    const { hub, journal, join, leave } = await openHub()
    const anna = join('anna')
    anna.transport.isFull = true
    journal.say(...chatter(2))
    let isServed = false
    anna.connection.onceFlushed(() => (isServed = true))
    leave(anna)
    expect(isServed).toBe(true)
    expect(hub.delivery.catchUps.size).toBe(0)
  })
})

describe('a cursor from another instance', () => {
  test('delays the handshake until this instance has read up to it', async () => {
    const { hub, journal, clock } = await openHub()
    let isReached = false
    const reached = hub.feed.waitForCursor(at(2), 1000).then(() => (isReached = true))
    journal.say(...chatter(1))
    await turns()
    expect(isReached).toBe(false)
    journal.say(...chatter(1))
    await reached
    clock.advance(1000)
  })

  test('delays the handshake no longer than the given time', async () => {
    const { hub, clock } = await openHub()
    const reached = hub.feed.waitForCursor(at(2), 1000)
    clock.advance(1000)
    await reached
  })

  test.each([
    ['is of another journal', at(99, 'other')],
    ['is here already', at(0)],
  ])('is not waited for when it %s', async (_name, cursor) => {
    const { hub, clock } = await openHub()
    await hub.feed.waitForCursor(cursor, 1000)
    expect(clock.running).toBe(0)
  })
})
