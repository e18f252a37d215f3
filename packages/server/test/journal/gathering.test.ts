import { describe, expect, it } from 'vitest'
import { Gathering } from '../../src/journal/gathering.js'

describe('the gathering of entries', () => {
  it('does not wait while entries come one by one', () => {
    const gathering = new Gathering()
    for (let nowMs = 0; nowMs < 2000; nowMs += 5) expect(gathering.delayAfter(1, nowMs)).toBe(0)
  })

  it('waits when many small replies follow each other, and when fewer bring as many entries', () => {
    const [small, large] = [new Gathering(), new Gathering()]
    const delaysOfSmall = Array.from({ length: 200 }, (_, index) => small.delayAfter(2, index / 5))
    const delaysOfLarge = Array.from({ length: 14 }, (_, index) => large.delayAfter(30, 3 * index))
    expect([delaysOfSmall[0], delaysOfSmall.at(-1)]).toEqual([0, 4])
    expect([delaysOfLarge[0], delaysOfLarge.at(-1)]).toEqual([0, 4])
  })

  it('does not wait any more when the journal is calm again', () => {
    const gathering = new Gathering()
    for (let nowMs = 0; nowMs < 100; nowMs += 4) gathering.delayAfter(80, nowMs)
    expect(gathering.delayAfter(80, 100)).toBe(4)
    const calm = Array.from({ length: 20 }, (_, index) => gathering.delayAfter(1, 105 + 5 * index))
    expect(calm.at(-1)).toBe(0)
  })
})
