/**
 * The window: the entries that it retains and evicts, compared with a model that keeps every entry in a plain list.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Window } from '../../src/hub/window.js'
import type { KeptEntry } from '../../src/journal/entry-kinds.js'
import type { Entry, Retention } from '../../src/journal/journal.js'
import {
  anyContent,
  directEntry,
  instanceEntry,
  messageEntry,
  placed,
  placeholderEntry,
  presenceEntry,
  SOME_CLIENTS,
  SOME_IDS,
} from '../support/entries.js'
import { EVERYTHING, makeWindow, receivedAt } from '../support/window.js'

/** A window into which entries are put one after another, in their places. */
function filled(retention: Partial<Retention>, ...entries: Entry[]): Window {
  const window = makeWindow(retention)
  entries.forEach((entry, index) => {
    const inPlace = { ...entry, offset: index + 1 }
    window.push(inPlace, receivedAt(inPlace.at))
  })
  return window
}

describe('the window retains the newest entries', () => {
  test('as many as HISTORY_SIZE', () => {
    const window = filled({ maxEntries: 2 }, messageEntry(), messageEntry(), messageEntry())
    expect([window.first, window.head, window.size]).toEqual([2, 3, 2])
  })

  test('as large as HISTORY_BYTES', () => {
    const window = filled({ maxBytes: 10 }, ...[4, 4, 4, 2].map((bytes) => messageEntry({ bytes })))
    expect([window.first, window.size, window.bytes]).toEqual([2, 3, 10])
  })

  test('as young as HISTORY_TTL, also when no new entry arrives', () => {
    const window = filled({ maxAgeMs: 10 }, messageEntry({ at: 100 }), messageEntry({ at: 105 }))
    window.trim(110)
    expect(window.first).toBe(1)
    window.trim(111)
    expect(window.first).toBe(2)
    window.trim(1000)
    expect([window.first, window.head, window.size, window.bytes]).toEqual([3, 2, 0, 0])
  })

  test('and not even the newest when it alone is larger than HISTORY_BYTES', () => {
    const window = filled({ maxBytes: 10 }, messageEntry({ bytes: 5 }), messageEntry({ bytes: 11 }))
    expect([window.first, window.head, window.size]).toEqual([3, 2, 0])
  })
})

test('an empty window can serve only a cursor at its head', () => {
  const window = makeWindow()
  window.reset(100)
  expect([window.first, window.head]).toEqual([100, 99])
  expect([98, 99, 100].map((offset) => window.reaches(offset))).toEqual([false, true, false])
})

test('a window can serve a cursor at the entry before its first, and no cursor beyond its head', () => {
  const window = filled({ maxEntries: 2 }, messageEntry(), messageEntry(), messageEntry(), messageEntry())
  expect([0, 1, 2, 3, 4, 5].map((offset) => window.reaches(offset))).toEqual([false, false, true, true, true, false])
})

test('a second entry with the same idempotency key is a retry of the first, one with another client or kind of id is not', () => {
  const window = filled(
    {},
    messageEntry({ from: 'anna', id: 'x' }),
    messageEntry({ from: 'bob', id: 'x' }),
    directEntry({ from: 'anna', to: 'bob', id: 'x' }),
    messageEntry({ from: 'anna' }),
    messageEntry({ from: 'anna' }),
    messageEntry({ from: 'anna', id: 'x' }),
  )
  expect([1, 2, 3, 4, 5, 6].map((offset) => window.at(offset).retryOf)).toEqual([
    undefined,
    undefined,
    1,
    undefined,
    undefined,
    1,
  ])
  expect(window.offsetOf('anna', 'x')).toBe(1)
  expect(window.offsetOf('bob', 'x')).toBe(2)
  expect(window.offsetOf('cleo', 'x')).toBeUndefined()
})

test('the window forgets an id when its entry no longer fits into HISTORY_SIZE', () => {
  const window = filled({ maxEntries: 1 }, messageEntry({ from: 'anna', id: 'x' }), messageEntry({ from: 'bob' }))
  expect(window.offsetOf('anna', 'x')).toBeUndefined()
  expect(window.isPersonal('anna', 0, 2)).toBe(false)
})

test('a change of presence of many clients concerns no client personally', () => {
  const window = filled(
    {},
    presenceEntry({ joined: ['anna'] }),
    presenceEntry({ joined: ['anna', 'bob'] }),
    presenceEntry({ joined: ['anna'], left: ['bob'] }),
    presenceEntry({ joined: [], left: ['bob'] }),
  )
  expect([1, 2, 3, 4].map((offset) => window.isPersonal('anna', offset - 1, offset))).toEqual([
    true,
    false,
    false,
    false,
  ])
  expect([1, 2, 3, 4].map((offset) => window.isPersonal('bob', offset - 1, offset))).toEqual([
    false,
    false,
    false,
    true,
  ])
})

describe('HISTORY_SIZE', () => {
  test('counts messages and direct messages, and no other kind', () => {
    const window = filled(
      { maxEntries: 2 },
      presenceEntry(),
      messageEntry(),
      ...Array.from({ length: 50 }, () => presenceEntry()),
      directEntry(),
      instanceEntry(),
    )
    expect([window.first, window.size]).toEqual([1, 54])
    window.push(messageEntry({ offset: 55 }), receivedAt(0))
    expect([window.first, window.size]).toEqual([3, 53])
  })

  test('bounds entries without a size, too', () => {
    const window = makeWindow({ maxEntries: 1 })
    for (let offset = 1; offset <= 10_100; offset++) window.push(placeholderEntry({ offset, bytes: 0 }), receivedAt(0))
    expect(window.size).toBe(10_002)
  })
})

describe('age', () => {
  test('is measured from the receipt by the monotonic clock, whatever the clock of the writer', () => {
    const window = makeWindow({ maxAgeMs: 10 })
    const wallMs = 1_000_000
    window.push(messageEntry({ offset: 1, at: 0 }), { wallMs, monotonicMs: 100, isHistory: false })
    window.push(messageEntry({ offset: 2, at: 9e12 }), { wallMs: 3, monotonicMs: 105, isHistory: false })
    window.trim(110)
    expect(window.first).toBe(1)
    window.trim(111)
    expect(window.first).toBe(2)
    window.trim(116)
    expect(window.size).toBe(0)
  })

  test('of entries from before the start is measured from their writing, between 1970 and now', () => {
    const window = makeWindow({ maxAgeMs: 10 })
    const time = { wallMs: 1000, monotonicMs: 50, isHistory: true }
    window.push(messageEntry({ offset: 1, at: 985 }), time)
    expect(window.size).toBe(0)
    window.push(messageEntry({ offset: 2, at: 995 }), time)
    window.push(messageEntry({ offset: 3, at: 5000 }), time)
    window.trim(55)
    expect(window.first).toBe(2)
    window.trim(56)
    expect(window.first).toBe(3)
    window.trim(61)
    expect(window.first).toBe(4)
  })
})

test('the times of frames never decrease and are never in the future', () => {
  const window = makeWindow()
  const atOf = (at: number, wallMs: number): unknown => {
    const { frames } = window.push(messageEntry({ offset: window.head + 1, at }), { ...receivedAt(0), wallMs })
    return Date.parse((JSON.parse(frames.forAudience('uk', new Set()).toString()) as { at: string }).at)
  }
  expect([atOf(100, 1000), atOf(50, 1000), atOf(200, 1000), atOf(9e12, 1000), atOf(300, 1001), atOf(-5, 0)]).toEqual([
    100, 100, 200, 1000, 1000, 1000,
  ])
})

// ——— the model

interface Kept {
  readonly entry: KeptEntry
  readonly retryOf: number | undefined
}

class NaiveWindow {
  kept: Kept[] = []
  /** The entries whose ids are known: age does not count for them. */
  known: Kept[] = []
  next = 1
  readonly #retention: Retention

  constructor(retention: Retention) {
    this.#retention = retention
  }

  push(entry: KeptEntry, now: number): void {
    const id = 'id' in entry ? entry.id : undefined
    const first = this.known.find(({ entry: other, retryOf }) => {
      if (id === undefined || retryOf !== undefined || !('id' in other) || !('from' in other)) return false
      return 'from' in entry && other.from === entry.from && other.id === id
    })
    const kept = { entry, retryOf: first?.entry.offset }
    this.kept.push(kept)
    this.known.push(kept)
    while (this.#isTooMuch(this.known)) this.known.shift()
    this.next = entry.offset + 1
    this.trim(now)
  }

  trim(now: number): void {
    const { maxAgeMs } = this.#retention
    const isTooOld = (): boolean => this.kept.length > 0 && now - (this.kept[0] as Kept).entry.at > maxAgeMs
    while (this.#isTooMuch(this.kept) || isTooOld()) this.kept.shift()
  }

  #isTooMuch(list: readonly Kept[]): boolean {
    const { maxEntries, maxBytes } = this.#retention
    const messages = list.filter(({ entry }) => entry.kind === 'message' || entry.kind === 'direct').length
    return messages > maxEntries || list.reduce((sum, { entry }) => sum + entry.bytes, 0) > maxBytes
  }

  reset(nextOffset: number): void {
    this.kept = []
    this.known = []
    this.next = nextOffset
  }

  isPersonal(clientId: string, after: number, upTo: number): boolean {
    return this.kept.some(({ entry }) => {
      if (entry.offset <= after || entry.offset > upTo) return false
      if (entry.kind === 'message') return entry.from === clientId
      if (entry.kind === 'direct') return entry.from === clientId || entry.to === clientId
      if (entry.kind !== 'presence') return false
      const names = entry.changes.flatMap(({ joined, left }) => [...joined, ...left])
      return names.length === 1 && names[0] === clientId
    })
  }
}

const command = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      content: anyContent,
      bytes: fc.integer({ min: 1, max: 12 }),
      passedMs: fc.nat(5),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('trim' as const), passedMs: fc.nat(30) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('reset' as const), nextOffset: fc.integer({ min: 1, max: 50 }) }),
  },
)

const anyRetention = fc.record({
  maxEntries: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(1000)),
  maxAgeMs: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(1_000_000)),
  maxBytes: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(1_000_000)),
})

test('the window agrees with the model after any pushes', () => {
  fc.assert(
    fc.property(anyRetention, fc.array(command, { maxLength: 60 }), (retention, commands) => {
      const window = makeWindow(retention)
      const model = new NaiveWindow(retention)
      let now = 1000
      for (const each of commands) {
        if (each.do === 'reset') {
          window.reset(each.nextOffset)
          model.reset(each.nextOffset)
        } else {
          now += each.passedMs
          if (each.do === 'push') {
            const entry = placed(each.content, { offset: model.next, at: now, bytes: each.bytes })
            window.push(entry, receivedAt(now))
            model.push(entry, now)
          } else {
            window.trim(now)
            model.trim(now)
          }
        }
        expectSame(window, model)
      }
    }),
    { numRuns: 300 },
  )
})

function expectSame(window: Window, { kept, known, next }: NaiveWindow): void {
  const first = next - kept.length
  expect([window.first, window.head, window.size]).toEqual([first, next - 1, kept.length])
  expect(window.bytes).toBe(kept.reduce((sum, { entry }) => sum + entry.bytes, 0))
  for (const { entry, retryOf } of kept) {
    const there = window.at(entry.offset)
    expect([there.entry, there.retryOf]).toEqual([entry, retryOf])
  }
  for (let offset = first - 3; offset < next + 3; offset++) {
    expect(window.reaches(offset)).toBe(offset >= first - 1 && offset < next)
  }
  for (const clientId of SOME_CLIENTS) {
    for (const id of SOME_IDS) {
      const original = known.find(
        ({ entry, retryOf }) => 'id' in entry && entry.from === clientId && entry.id === id && retryOf === undefined,
      )
      expect(window.offsetOf(clientId, id)).toBe(original?.entry.offset)
    }
  }
}

test('the window knows for every range whether an entry in it is personal', () => {
  fc.assert(
    fc.property(fc.array(anyContent, { maxLength: 20 }), fc.integer({ min: 1, max: 20 }), (contents, maxEntries) => {
      const retention = { ...EVERYTHING, maxEntries }
      const window = makeWindow(retention)
      const model = new NaiveWindow(retention)
      for (const content of contents) {
        const entry = placed(content, { offset: model.next })
        window.push(entry, receivedAt(0))
        model.push(entry, 0)
      }
      for (const clientId of [...SOME_CLIENTS, 'nobody']) {
        for (let after = window.first - 1; after <= window.head; after++) {
          for (let upTo = after; upTo <= window.head; upTo++) {
            expect(window.isPersonal(clientId, after, upTo)).toBe(model.isPersonal(clientId, after, upTo))
          }
        }
      }
    }),
    { numRuns: 100 },
  )
})

test('thousands of evicted entries take no memory beside the retained ones', () => {
  const window = makeWindow({ maxEntries: 100 })
  for (let offset = 1; offset <= 10_000; offset++) {
    const entry = messageEntry({ offset, id: `i${offset}`, from: `c${offset % 7}` })
    window.push(entry, receivedAt(0))
  }
  expect([window.first, window.size]).toEqual([9901, 100])
  for (let offset = 9901; offset <= 10_000; offset++) expect(window.at(offset).entry.offset).toBe(offset)
  expect(window.offsetOf('c1', 'i9900')).toBeUndefined()
  expect(window.offsetOf(`c${9901 % 7}`, 'i9901')).toBe(9901)
})
