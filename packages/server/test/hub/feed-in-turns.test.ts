/**
 * The feed takes a bounded time of each turn of the event loop: further entries of the journal wait, in order.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { Entry, NewEntry } from '../../src/journal/journal.js'
import { messageEntry } from '../support/entries.js'
import { openHub, type TestHub, type TestHubOptions } from '../support/test-hub.js'

const ENTRY_MS = 0.05

const messages = (count: number): NewEntry[] =>
  Array.from({ length: count }, () => messageEntry({ node: 'other', from: 'zoe' }))

interface WatchedHub extends TestHub {
  /** What the feed has told its observers since this was called last: offsets, `epoch` and `down`. */
  readonly takeTold: () => (number | string)[]
}

/** A hub on which an entry takes time. */
async function openSlowHub(options: TestHubOptions = {}): Promise<WatchedHub> {
  const hub = await openHub(options)
  const told: (number | string)[] = []
  hub.hub.feed.observe({
    onReset: () => told.push('epoch'),
    onAvailability: () => told.push('down'),
    onEntry({ offset }) {
      told.push(offset)
      hub.clock.advance(ENTRY_MS)
    },
  })
  return { ...hub, takeTold: () => told.splice(0) }
}

/** What is told in each turn from now on, until nothing more is told. A turn whose input has used its time up tells nothing. */
async function turnsOf({ takeTold }: WatchedHub): Promise<(number | string)[][]> {
  const turns: (number | string)[][] = []
  for (let quiet = 0; quiet < 2;) {
    const told = takeTold()
    quiet = told.length > 0 ? 0 : quiet + 1
    turns.push(told)
    await nextTurn()
  }
  return turns.filter(({ length }) => length > 0)
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('entries that the journal reports at once', () => {
  test('are delivered over several turns, and no later entry overtakes them', async () => {
    const hub = await openSlowHub()
    hub.journal.say(...messages(5000))
    hub.journal.listener?.onAvailability(false)
    hub.journal.listener?.onEpoch('other', 5001)
    hub.journal.say(...messages(2))
    const turns = await turnsOf(hub)
    expect(turns.flat()).toEqual([...range(1, 5000), 'down', 'epoch', 5001, 5002])
    // The budget of 8 ms, and the batch that exceeds it.
    expect(Math.max(...turns.map(({ length }) => length * ENTRY_MS))).toBeLessThan(8 + 256 * ENTRY_MS)
  })

  test('schedule no callback when they are few, so that the event loop may wait for the next ones', async () => {
    const hub = await openSlowHub()
    // The tasks of the opening are done.
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    const soon = vi.spyOn(hub.clock, 'soon')
    for (let batch = 0; batch < 3; batch++) hub.journal.say(...messages(20))
    expect(hub.takeTold()).toEqual(range(1, 60))
    expect(soon).not.toHaveBeenCalled()
    hub.journal.say(...messages(300))
    expect(soon).toHaveBeenCalledOnce()
  })

  test('are delivered at once, and together, when they are few', async () => {
    const { journal, join } = await openSlowHub()
    const anna = join('anna')
    journal.say(...messages(100))
    expect(anna.transport.writes).toHaveLength(1)
    expect(anna.transport.messages).toHaveLength(100)
  })

  test('cause backpressure: the reader of the journal waits when it is too far ahead', async () => {
    const hub = await openSlowHub()
    let mostWaiting = 0
    for (let said = 2000; said <= 100_000; said += 2000) {
      hub.journal.say(...messages(2000))
      mostWaiting = Math.max(mostWaiting, said - hub.hub.feed.window.head)
    }
    expect(mostWaiting).toBeGreaterThan(2000)
    // An entry of 100 bytes takes 300 bytes of memory.
    expect(mostWaiting * 300).toBeLessThan(16 * 1024 * 1024)
  })

  test('are not delivered after the feed was closed', async () => {
    const hub = await openSlowHub()
    hub.journal.say(...messages(5000))
    const before = hub.takeTold().length
    await hub.hub.feed.close()
    expect(before).toBeLessThan(5000)
    expect(await turnsOf(hub)).toEqual([])
  })
})

describe('an entry whose application takes several turns', () => {
  test('is reported after its application, before the entries behind it and after those before it', async () => {
    const pieces: number[] = []
    const apply = (entry: Entry) => {
      if (entry.offset !== 3) return entry
      let left = 20
      return () => {
        pieces.push(hub.hub.feed.window.head)
        hub.clock.advance(4)
        return --left > 0 ? undefined : entry
      }
    }
    const hub: WatchedHub = await openSlowHub({ apply })
    const anna = hub.join('anna')
    hub.journal.say(...messages(4))
    hub.journal.say(...messages(1))
    expect(hub.takeTold()).toEqual([1, 2])
    expect(anna.transport.messages).toHaveLength(2)
    while (hub.hub.feed.window.head < 5) await nextTurn()
    expect(pieces).toEqual(Array<number>(20).fill(2))
    expect(hub.takeTold()).toEqual([3, 4, 5])
  })
})
