import { describe, expect, it } from 'vitest'
import { BatchDelay } from '../../src/journal/batch-delay.js'

describe('the delay of a busy reader', () => {
  it('is 0 while entries arrive one by one', () => {
    const batchDelay = new BatchDelay()
    for (let nowMs = 0; nowMs < 2000; nowMs += 5) expect(batchDelay.delayAfter(1, nowMs)).toBe(0)
  })

  it('begins when many small replies follow each other, or fewer replies with as many entries', () => {
    const [small, large] = [new BatchDelay(), new BatchDelay()]
    const delaysOfSmall = Array.from({ length: 200 }, (_, index) => small.delayAfter(2, index / 5))
    const delaysOfLarge = Array.from({ length: 14 }, (_, index) => large.delayAfter(30, 3 * index))
    expect([delaysOfSmall[0], delaysOfSmall.at(-1)]).toEqual([0, 4])
    expect([delaysOfLarge[0], delaysOfLarge.at(-1)]).toEqual([0, 4])
  })

  it('ends when few entries arrive again', () => {
    const batchDelay = new BatchDelay()
    for (let nowMs = 0; nowMs < 100; nowMs += 4) batchDelay.delayAfter(80, nowMs)
    expect(batchDelay.delayAfter(80, 100)).toBe(4)
    const calm = Array.from({ length: 20 }, (_, index) => batchDelay.delayAfter(1, 105 + 5 * index))
    expect(calm.at(-1)).toBe(0)
  })
})
