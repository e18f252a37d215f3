/**
 * The state machine in a world where anything may happen in any order: connections are cut or go silent, the server
 * restarts, loses what was under way, forgets, refuses for now; frames are late, and some come twice.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { World } from './support/world.js'

const CHANNELS = ['lobby', 'news', 'games']

const channel = fc.constantFrom(...CHANNELS)
const number = fc.nat({ max: 20 })

type Step = (world: World) => void

/** What may happen, and how often beside the rest. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: channel.map(
      (name): Step =>
        (world) =>
          world.publish(name),
    ),
  },
  {
    weight: 4,
    arbitrary: channel.map(
      (name): Step =>
        (world) =>
          world.other(name),
    ),
  },
  {
    weight: 2,
    arbitrary: channel.map(
      (name): Step =>
        (world) =>
          world.subscribe(name),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('news', 'games').map(
      (name): Step =>
        (world) =>
          world.unsubscribe(name),
    ),
  },
  { weight: 8, arbitrary: fc.constant<Step>((world) => world.serve()) },
  {
    weight: 8,
    arbitrary: number.map(
      (which): Step =>
        (world) =>
          world.take(which),
    ),
  },
  { weight: 10, arbitrary: fc.constant<Step>((world) => world.write()) },
  { weight: 14, arbitrary: fc.constant<Step>((world) => world.read()) },
  {
    weight: 3,
    arbitrary: number.map(
      (which): Step =>
        (world) =>
          world.repeat(which),
    ),
  },
  { weight: 5, arbitrary: fc.constant<Step>((world) => world.tick()) },
  { weight: 3, arbitrary: fc.constant<Step>((world) => world.cut()) },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.stall()) },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.wake()) },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.haunt()) },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (isNew): Step =>
        (world) =>
          world.restart(isNew),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.forget()) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 5 }).map(
      (count): Step =>
        (world) =>
          void (world.refusals = count),
    ),
  },
)

function check(world: World): void {
  const { seen, published, journal, wanted, epoch } = world
  // Every promise settles; once is checked where it happens.
  expect([...seen.settled.keys()].sort()).toEqual([...published].sort())
  for (const outcome of seen.settled.values()) {
    if (typeof outcome !== 'string') continue
    expect(outcome).toBe('outcome_unknown')
    expect(seen.recoveries.some(({ recovered }) => !recovered)).toBe(true)
  }
  // What was taken, was taken once and in order.
  const taken = published.flatMap((id) => {
    const outcome = seen.settled.get(id)
    return typeof outcome === 'object' ? [outcome] : []
  })
  expect(taken).toEqual([...taken].sort((a, b) => a.epoch.localeCompare(b.epoch) || a.offset - b.offset))
  const kept = journal.filter(({ from, isRetry }) => from === 'me' && !isRetry).map(({ id }) => id)
  expect(new Set(kept).size).toBe(kept.length)
  for (const name of CHANNELS) {
    // What is heard, is heard once and in order.
    const heard = seen.heard.filter(({ message }) => message.channel === name)
    heard.forEach((later, index) => {
      const earlier = heard[index - 1]
      if (earlier?.epoch === later.epoch) expect(later.offset).toBeGreaterThan(earlier.offset)
    })
    // And all of it, from the subscription on or from what was told to be lost.
    const from = wanted.get(name)
    if (!from || from.epoch !== epoch) continue
    const offsets = new Set(heard.flatMap((one) => (one.epoch === epoch ? [one.offset] : [])))
    const due = journal.filter((entry) => entry.channel === name && entry.from !== 'me' && entry.offset > from.offset)
    expect(due.filter(({ offset }) => !offsets.has(offset))).toEqual([])
  }
}

test('every message is settled once, taken once, heard once, in order, and none is sent again too early', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
      const world = new World()
      for (const happen of steps) happen(world)
      world.settle()
      check(world)
    }),
    { numRuns: 1500 },
  )
})

test('after close every promise is settled, and nothing more is done', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.array(step, { maxLength: 10 }), (before, after) => {
      const world = new World()
      for (const happen of before) happen(world)
      world.close()
      expect(world.core.state).toBe('closed')
      expect([...world.seen.settled.keys()].sort()).toEqual([...world.published].sort())
      const { link } = world
      for (const happen of after) happen(world)
      expect(world.core.wakeAtMs).toBe(Infinity)
      expect(world.link).toBe(link)
    }),
    { numRuns: 300 },
  )
})

test('what is said in a channel whose unsubscribe is on its way waits until it is subscribed to again', () => {
  const world = new World()
  world.read()
  world.subscribe('news')
  world.serve()
  world.read()
  world.unsubscribe('news')
  world.subscribe('news')
  world.publish('news')
  world.settle()
  check(world)
})
