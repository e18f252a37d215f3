import { describe, expect, it } from 'vitest'
import { matchLog, type Found, type OwnPlace } from '../../../src/journal/redis/log-matching.js'

const EPOCH = '1850000000000000000'
const OLDER = '1840000000000000000'
const NEWER = '1860000000000000000'
const bytes = (text: string): Buffer => Buffer.from(text)

const own: OwnPlace = { epoch: EPOCH, offset: 100, bytes: bytes('A wrote 100') }
const found = (some: Partial<Found>): Found => ({
  head: { epoch: EPOCH, offset: 100 },
  atOwnPlace: bytes('A wrote 100'),
  firstOffset: undefined,
  ...some,
})

describe('the comparison of a stream with the entries that were read', () => {
  it.each<[string, Partial<Found>]>([
    ['nothing was appended', {}],
    ['more was appended', { head: { epoch: EPOCH, offset: 120 } }],
    ['another epoch followed', { head: { epoch: NEWER, offset: 3 } }],
    ['everything was trimmed, and nothing was appended', { atOwnPlace: undefined }],
  ])('goes on when %s', (_, some) => {
    expect(matchLog(own, found(some))).toEqual({ kind: 'same' })
  })

  it.each<[string, Partial<Found>]>([
    ['there is no stream', { head: undefined, atOwnPlace: undefined }],
    ['the stream ends before', { head: { epoch: EPOCH, offset: 90 }, atOwnPlace: undefined }],
    ['the stream is in an older epoch', { head: { epoch: OLDER, offset: 500 }, atOwnPlace: undefined }],
    ['the entry was deleted', { head: { epoch: EPOCH, offset: 120 }, atOwnPlace: undefined, firstOffset: 1 }],
  ])('asks for a new epoch when %s', (_, some) => {
    expect(matchLog(own, found(some))).toMatchObject({ kind: 'replaced' })
  })

  it('recognizes a fork by the bytes, although the stream ends beyond the entries that were read', () => {
    const fork = found({ head: { epoch: EPOCH, offset: 120 }, atOwnPlace: bytes('C wrote 100') })
    // An engine that compares only the end of the stream would conclude this.
    expect(matchLog({ ...own, bytes: undefined }, fork)).toEqual({ kind: 'same' })
    expect(matchLog(own, fork)).toEqual({ kind: 'replaced', why: 'another entry is at 100' })
  })

  it('adopts the epoch that another instance has begun after a fork', () => {
    const fork = found({ head: { epoch: NEWER, offset: 7 }, atOwnPlace: bytes('C wrote 100') })
    expect(matchLog(own, fork)).toMatchObject({ kind: 'superseded', epoch: NEWER, headOffset: 7 })
  })

  it('reports a gap when entries were trimmed before they were read', () => {
    const trimmed = (firstOffset: number | undefined): Found =>
      found({ head: { epoch: EPOCH, offset: 500 }, atOwnPlace: undefined, firstOffset })
    expect(matchLog(own, trimmed(300))).toEqual({ kind: 'trimmed', nextOffset: 300 })
    expect(matchLog(own, trimmed(undefined))).toEqual({ kind: 'trimmed', nextOffset: 501 })
    // No entry seems to be missing, and nothing proves that this is the same log.
    expect(matchLog(own, trimmed(101))).toEqual({ kind: 'trimmed', nextOffset: 102 })
  })
})
