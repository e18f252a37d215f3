/**
 * The client's state machine in a model world that produces events in any order: connections break or go silent; the
 * server restarts, loses messages on their way to the journal, evicts entries and refuses messages temporarily; frames
 * arrive late or twice.
 */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { World } from './support/world.js'

/** PROPERTY_RUNS raises the number of runs; the default is 1,500. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 1500)

// The runs take some seconds of CPU time, which is more than 30 s on a machine that does much else.
vi.setConfig({ testTimeout: 180_000 })

const CHANNELS = ['lobby', 'news', 'games']

const channel = fc.constantFrom(...CHANNELS)
const number = fc.nat({ max: 20 })

type Step = (world: World) => void

const of = <Value>(
  weight: number,
  values: fc.Arbitrary<Value>,
  happen: (world: World, value: Value) => void,
): fc.WeightedArbitrary<Step> => ({
  weight,
  arbitrary: values.map((value) => {
    const step: Step = (world) => happen(world, value)
    return Object.assign(step, { [fc.toStringMethod]: () => `${String(happen)}, ${JSON.stringify(value)}\n` })
  }),
})

const nothing = fc.constant(undefined)
const leaveInMs = fc.constantFrom(0, 0, 10, 2000)
/** The close code of a rejected handshake (draining, build to avoid, cut, name in use); 0: accepted with `recovered: false`. */
const reception = fc.constantFrom(1001, 1013, 1006, 4009, 0)

/** The events of the world and their weights. */
const traffic = [
  of(6, channel, (world, name) => world.publish(name)),
  of(6, channel, (world, name) => world.other(name)),
  of(8, number, (world, which) => world.serve(which)),
  of(8, number, (world, which) => world.take(which)),
  of(8, number, (world, which) => world.advance(which)),
  of(12, number, (world, which) => world.write(which)),
  of(16, number, (world, which) => world.read(which)),
  of(3, number, (world, which) => world.repeat(which)),
  of(3, channel, (world, name) => world.subscribe(name)),
  of(2, fc.constantFrom('news', 'games'), (world, name) => world.unsubscribe(name)),
  of(1, nothing, (world) => world.wake()),
  of(1, nothing, (world) => world.haunt()),
  of(2, fc.integer({ min: 1, max: 5 }), (world, count) => void (world.server.refusals = count)),
  of(1, leaveInMs, (world, leave) => world.remind(leave)),
  of(1, nothing, (world) => world.cutReplacement()),
]
const disasters = [
  of(6, nothing, (world) => world.tick()),
  of(3, fc.nat({ max: 30 }), (world, steps) => world.flow(steps)),
  of(3, number, (world, which) => world.cut(which)),
  of(1, number, (world, which) => world.stall(which)),
  of(1, fc.boolean(), (world, isNew) => world.restart(isNew)),
  of(1, nothing, (world) => world.forget()),
  of(2, fc.tuple(number, fc.option(leaveInMs)), (world, [which, leave]) => world.shutdown(which, leave)),
  of(2, number, (world, which) => world.route(which)),
  of(2, nothing, (world) => world.replace()),
  of(1, reception, (world, how) => world.receive(how)),
  of(1, number, (world, which) => world.cancel(which)),
  of(1, fc.tuple(number, fc.option(fc.constantFrom(0, 300, 5000), { nil: undefined })), (world, [which, returnInMs]) =>
    world.expire(which, returnInMs),
  ),
  of(1, fc.constantFrom(500, 5000), (world, ms) => world.sleep(ms)),
]
const step: fc.Arbitrary<Step> = fc.oneof(...traffic, ...disasters)

function check(world: World): void {
  const { seen, published, wanted } = world
  const { journal, epoch } = world.server
  // Every promise of publish() settles. `World` checks that each settles only once.
  expect([...seen.settled.keys()].sort()).toEqual([...published].sort())
  for (const outcome of seen.settled.values()) {
    if (typeof outcome !== 'string') continue
    expect(outcome).toBe('outcome_unknown')
    expect(seen.recoveries.some(({ recovered }) => !recovered)).toBe(true)
  }
  // The journal contains each acknowledged message once, in the order of publication.
  const taken = published.flatMap((id) => {
    const outcome = seen.settled.get(id)
    return typeof outcome === 'object' ? [outcome] : []
  })
  expect(taken).toEqual([...taken].sort((a, b) => a.epoch.localeCompare(b.epoch) || a.offset - b.offset))
  const kept = journal.filter(({ from, isRetry }) => from === 'me' && !isRetry).map(({ id }) => id)
  expect(new Set(kept).size).toBe(kept.length)
  for (const name of CHANNELS) {
    // The application receives each message once and in order.
    const received = seen.received.filter(({ message }) => message.channel === name)
    received.forEach((later, index) => {
      const earlier = received[index - 1]
      if (earlier?.epoch === later.epoch) expect(later.offset).toBeGreaterThan(earlier.offset)
    })
    // The application misses no message after its subscription or after the last loss that the client reported.
    const from = wanted.get(name)
    if (!from || from.epoch !== epoch) continue
    const offsets = new Set(received.flatMap((one) => (one.epoch === epoch ? [one.offset] : [])))
    const due = journal.filter((entry) => entry.channel === name && entry.from !== 'me' && entry.offset > from.offset)
    expect(due.filter(({ offset }) => !offsets.has(offset))).toEqual([])
  }
}

test('every message settles once, enters the journal once, is received once and in order, and is never sent again too early', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), fc.boolean(), (steps, isOpaque) => {
      const world = new World(isOpaque)
      for (const happen of steps) happen(world)
      world.settle()
      check(world)
    }),
    { numRuns: RUNS },
  )
})

/** A deploy: how the new instance answers the client's first attempts, and the events meanwhile. */
const deploy = fc.record({
  receptions: fc.array(reception, { maxLength: 2 }),
  steps: fc.array(fc.oneof(...traffic), { maxLength: 80, size: 'max' }),
})

test('the client migrates once per deploy, and the application sees no change of state', () => {
  fc.assert(
    fc.property(fc.array(deploy, { maxLength: 6, size: 'max' }), fc.boolean(), (deploys, isOpaque) => {
      const world = new World(isOpaque)
      world.settle()
      for (const { receptions, steps } of deploys) {
        world.deploy()
        for (const how of receptions) world.receive(how)
        for (const happen of steps) happen(world)
        world.arrive()
      }
      world.settle()
      check(world)
      expect(world.seen.moves).toHaveLength(deploys.length)
      expect(world.seen.states).toEqual(['open'])
      expect(world.seen.recoveries).toEqual([])
    }),
    { numRuns: RUNS },
  )
})

test('close() settles every promise and stops all activity', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.array(step, { maxLength: 10 }), (before, after) => {
      const world = new World()
      for (const happen of before) happen(world)
      world.close()
      expect(world.core.state).toBe('closed')
      expect([...world.seen.settled.keys()].sort()).toEqual([...world.published].sort())
      const { length } = world.links
      for (const happen of after) happen(world)
      expect(world.core.wakeAtMs).toBe(Infinity)
      expect(world.links).toHaveLength(length)
    }),
    { numRuns: RUNS / 5 },
  )
})

test('a message to a channel with a pending unsubscribe waits until the client has subscribed again', () => {
  const world = new World()
  world.read(0)
  world.subscribe('news')
  world.serve(0)
  world.read(0)
  world.unsubscribe('news')
  world.subscribe('news')
  world.publish('news')
  world.settle()
  check(world)
})

test('a client recognizes a takeover by its own attempt however late it reads it', () => {
  const world = new World()
  world.read(0)
  world.tick()
  world.shutdown(0, 0)
  world.cancel(0)
  world.serve(0)
  world.read(0)
  world.tick()
  world.read(0)
  world.sleep(5000)
  world.publish('lobby')
  world.read(0)
  world.tick()
  world.settle()
  check(world)
})

test('a replacement that could not recover does not repeat what the older link delivered meanwhile', () => {
  const world = new World()
  world.receive(0)
  world.route(1)
  world.restart(false)
  world.tick()
  world.flow(1)
  world.shutdown(1, 0)
  world.read(0)
  world.route(0)
  world.other('lobby')
  world.tick()
  world.advance(1)
  world.write(0)
  world.read(0)
  world.cut(0)
  world.settle()
  check(world)
})
