/**
 * Readers interpret the messages of a RabbitMQ stream, without a server: epochs, gaps, messages of other programs.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeEntry } from '../../src/journal/entry-codec.js'
import type { Entry } from '../../src/journal/journal.js'
import { KeptEntries } from '../../src/journal/rabbit/kept-entries.js'
import { newEpoch, type LogMessage } from '../../src/journal/rabbit/log-message.js'
import { LogReading } from '../../src/journal/rabbit/log-reading.js'
import { systemClock } from '../../src/clock.js'
import { message, UNLIMITED } from '../../src/testing/index.js'

const [FIRST, SECOND, THIRD] = ['1000000000000001', '1000000000000002', '1000000000000003'] as const

const marker = (offset: number, epoch: string, supersedes = ''): LogMessage => ({
  ...{ offset, epoch, supersedes, id: '', bytes: Buffer.from('marker') },
})

const entry = (offset: number, epoch: string, bytes = encodeEntry(message(offset))): LogMessage => ({
  ...{ offset, epoch, supersedes: undefined, id: '', bytes },
})

/** `epoch:next` where an epoch begins, `offset` of an entry, `(offset)` of a placeholder. */
function read(messages: readonly LogMessage[]): string[] {
  const told: string[] = []
  const reading = new LogReading({
    onEpoch: (epoch, nextOffset) => void told.push(`${epoch.slice(-1)}:${nextOffset}`),
    onEntry: ({ kind, offset }) => void told.push(kind === 'placeholder' ? `(${offset})` : String(offset)),
  })
  for (const each of messages) reading.take(each)
  return told
}

describe('a reader of the log', () => {
  it('counts from 1 behind the first marker', () => {
    expect(read([marker(0, FIRST), entry(1, FIRST), entry(2, FIRST)])).toEqual(['1:1', '1', '2'])
  })

  it('uses the first of two markers that were written at once, whichever is greater', () => {
    expect(read([marker(0, SECOND), marker(1, FIRST), entry(2, SECOND)])).toEqual(['2:1', '(1)', '2'])
    expect(read([marker(0, FIRST), marker(1, SECOND), entry(2, FIRST)])).toEqual(['1:1', '(1)', '2'])
  })

  it('begins a new epoch only at a marker that ends the current one', () => {
    const log = [marker(0, FIRST), entry(1, FIRST), marker(2, SECOND, FIRST), marker(3, THIRD, FIRST), entry(4, SECOND)]
    expect(read(log)).toEqual(['1:1', '1', '2:3', '(3)', '4'])
  })

  it('skips an entry whose writer had not read yet that its epoch was over', () => {
    const log = [marker(0, FIRST), marker(1, SECOND, FIRST), entry(2, FIRST), entry(3, SECOND)]
    expect(read(log)).toEqual(['1:1', '2:2', '(2)', '3'])
  })

  it('fills the offset that a segment takes with a placeholder, and reports trimmed entries', () => {
    const log = [marker(0, FIRST), entry(1, FIRST), entry(3, FIRST), entry(6, FIRST)]
    expect(read(log)).toEqual(['1:1', '1', '(2)', '3', '1:6', '6'])
  })

  it('skips entries that the server delivers again from the start of a chunk', () => {
    expect(read([entry(7, FIRST), entry(6, FIRST), entry(7, FIRST), entry(8, FIRST)])).toEqual(['1:7', '7', '8'])
  })

  it('skips messages of other programs and bytes that are no entry', () => {
    const log = [marker(0, FIRST), entry(1, ''), entry(2, FIRST, Buffer.from('{"v":')), entry(3, FIRST)]
    expect(read(log)).toEqual(['1:1', '(1)', '(2)', '3'])
  })

  it('finds the epoch when its start was trimmed', () => {
    expect(read([entry(5, FIRST), entry(6, SECOND), entry(7, FIRST)])).toEqual(['1:5', '5', '2:6', '6', '(7)'])
    expect(read([marker(5, THIRD, FIRST), entry(6, SECOND), entry(7, THIRD)])).toEqual(['3:6', '2:6', '6', '3:7', '7'])
  })

  it('reads the same entries at the same offsets as a reader that starts later', () => {
    const kinds = fc.array(fc.constantFrom('entry', 'stale', 'stranger', 'gap', 'epoch'), { maxLength: 60 })
    fc.assert(
      fc.property(kinds, fc.nat(60), (steps, start) => {
        const log = [marker(0, FIRST), entry(1, FIRST)]
        let [epoch, previous] = [FIRST as string, '']
        let offset = 2
        for (const step of steps) {
          if (step === 'gap') offset++
          else if (step === 'stranger') log.push(entry(offset, ''))
          else if (step === 'stale') log.push(entry(offset, previous))
          else if (step === 'entry') log.push(entry(offset, epoch))
          else {
            previous = epoch
            epoch = newEpoch(0, epoch)
            // A writer begins an epoch only when it has an entry to append.
            log.push(marker(offset, epoch, previous), entry(++offset, epoch))
          }
          offset++
        }
        log.push(entry(offset, epoch))
        const lastBegin = (messages: readonly LogMessage[]): string[] => {
          const told = read(messages)
          return told.slice(told.findLastIndex((each) => each.includes(':')) + 1)
        }
        const late = lastBegin(log.slice(Math.min(start, log.length - 1)))
        expect(late).toEqual(lastBegin(log).slice(-late.length))
      }),
    )
  })
})

describe('an epoch', () => {
  it('is greater than all earlier ones, whatever the clock', () => {
    const far = newEpoch(Date.now() + 1e9, '')
    const after = newEpoch(Date.now(), far)
    expect(after > far).toBe(true)
    expect(newEpoch(0, after) > after).toBe(true)
    expect(newEpoch(Date.now(), FIRST) > FIRST).toBe(true)
    for (const each of [far, after]) expect(each).toMatch(/^[0-9a-f]{16}$/)
  })
})

describe('the entries that a reader retains at its start', () => {
  const at = (offset: number, at: number, bytes = 10): Entry => ({
    ...{ kind: 'unknown', offset, at, node: 'n', sequence: 1, bytes },
  })

  it('are the newest ones that all limits allow', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(100), bytes: fc.nat(20) }), { maxLength: 200 }),
        fc.record({ maxEntries: fc.integer({ min: 1, max: 50 }), maxBytes: fc.integer({ min: 1, max: 300 }) }),
        fc.nat(100),
        (some, limits, maxAgeMs) => {
          const entries = some.map(({ at: time, bytes }, offset) => at(offset, time, bytes))
          const kept = new KeptEntries({ ...limits, maxAgeMs })
          for (const each of entries) kept.onEntry(each)
          const fits = (from: number): boolean => {
            const bytes = entries.slice(from).reduce((sum, each) => sum + each.bytes, 0)
            return entries.length - from <= limits.maxEntries && bytes <= limits.maxBytes
          }
          let first = entries.length
          while (first > 0 && fits(first - 1)) first--
          const fresh = entries.findIndex((each, index) => index >= first && each.at >= 100 - maxAgeMs)
          expect(kept.fresh({ ...systemClock, now: () => 100 })).toEqual(fresh < 0 ? [] : entries.slice(fresh))
        },
      ),
    )
  })

  it('include none from before a new epoch', () => {
    const kept = new KeptEntries(UNLIMITED)
    kept.onEntry(at(1, Date.now()))
    kept.onEpoch()
    kept.onEntry(at(2, Date.now()))
    expect(kept.fresh(systemClock).map(({ offset }) => offset)).toEqual([2])
  })
})
