/**
 * Who changes the instance during a shutdown: who is told what, from both sides.
 */
import { describe, expect, test } from 'vitest'
import type { Connection } from '../../src/connections/connection.js'
import { Moves } from '../../src/presence/moves.js'
import type { EntryContent } from '../../src/journal/journal.js'
import { arrivalEntry, presenceEntry } from '../support/entries.js'
import { FakeClock } from '../support/fake-clock.js'
import { turns } from '../support/test-hub.js'

interface State {
  isDraining: boolean
  isAnotherDraining: boolean
  isAnotherReady: boolean
}

interface FakeConnection {
  isElsewhere: boolean
  readonly channels: Set<string>
}

interface Side {
  readonly moves: Moves
  readonly state: State
  readonly clock: FakeClock
  /** What is told: `+anna lobby`, `-anna lobby`, `anna stayed`, `anna elsewhere`. */
  readonly told: string[]
  readonly published: EntryContent[]
  readonly connect: (clientId: string, ...channels: string[]) => { isElsewhere: boolean }
}

function side(state: State): Side {
  const clock = new FakeClock()
  const told: string[] = []
  const published: EntryContent[] = []
  const connections = new Map<string, FakeConnection>()
  const moves = new Moves({
    instances: state,
    connectionOf: (clientId) => connections.get(clientId) as unknown as Connection | undefined,
    subscriptions: { channelsOf: (connection) => (connection as unknown as FakeConnection).channels },
    presence: {
      joined: (clientId, channels) => void told.push(`+${clientId} ${[...channels].join()}`),
      left: (clientId, channels) => void told.push(`-${clientId} ${[...channels].join()}`),
      stayed: (clientId) => void told.push(`${clientId} stayed`),
    },
    publish: (content) => void published.push(content),
    clock,
  })
  moves.observe({ onSeenElsewhere: (clientId) => void told.push(`${clientId} elsewhere`) })
  return {
    moves,
    state,
    clock,
    told,
    published,
    connect(clientId, ...channels) {
      const connection = { isElsewhere: false, channels: new Set(channels) }
      connections.set(clientId, connection)
      return connection
    },
  }
}

const receiving = (): Side => side({ isDraining: false, isAnotherDraining: true, isAnotherReady: false })
const draining = (): Side => side({ isDraining: true, isAnotherDraining: false, isAnotherReady: true })
const alone = (): Side => side({ isDraining: false, isAnotherDraining: false, isAnotherReady: true })

const left = (...names: string[]) => presenceEntry({ joined: [], left: names, joinedCount: 0, leftCount: names.length })
const joined = (...names: string[]) => presenceEntry({ joined: names, joinedCount: names.length })

describe('who comes while another instance is draining', () => {
  test('is named, all of one turn together, fifty an entry', async () => {
    const { moves, published } = receiving()
    const names = Array.from({ length: 120 }, (_, index) => `c${index}`)
    for (const name of names) moves.came(name, ['lobby'], false)
    expect(published).toEqual([])
    await turns(1)
    moves.came('later', ['lobby'], true)
    await turns(1)
    expect(published).toEqual([
      { kind: 'arrival', clients: names.slice(0, 50) },
      { kind: 'arrival', clients: names.slice(50, 100) },
      { kind: 'arrival', clients: names.slice(100) },
      { kind: 'arrival', clients: ['later'] },
    ])
  })

  test('is named at once when there is no later', () => {
    const { moves, published } = receiving()
    moves.came('anna', ['lobby'], false)
    moves.close()
    moves.close()
    expect(published).toEqual([{ kind: 'arrival', clients: ['anna'] }])
  })

  test('is told as joined only if it does not move', () => {
    const { moves, told } = receiving()
    moves.came('anna', ['lobby', 'news'], true)
    moves.came('bob', ['lobby', 'news'], false)
    expect(told).toEqual(['+bob lobby,news'])
  })
})

test('who comes while nobody is draining is told as joined, and named to nobody', async () => {
  const { moves, told, published } = alone()
  moves.came('anna', ['lobby'], true)
  await turns(1)
  expect([told, published]).toEqual([['+anna lobby'], []])
})

describe('who was told as having left before it moved here', () => {
  test('is told as joined', () => {
    const { moves, told } = receiving()
    moves.readPresence(left('anna', 'bob'))
    moves.came('anna', ['lobby'], true)
    expect(told).toEqual(['+anna lobby'])
  })

  test('is not, when it had come back meanwhile', () => {
    const { moves, told } = receiving()
    moves.readPresence(left('anna'))
    moves.readPresence(joined('anna'))
    moves.came('anna', ['lobby'], true)
    expect(told).toEqual([])
  })

  test('is remembered for this shutdown, not for the next one', () => {
    const { moves, told, state } = receiving()
    moves.readPresence(left('anna'))
    state.isAnotherDraining = false
    moves.came('bob', ['lobby'], false)
    state.isAnotherDraining = true
    moves.came('anna', ['lobby'], true)
    expect(told).toEqual(['+bob lobby'])
  })

  test('is told as joined even when there are too many to be remembered', () => {
    const { moves, told } = receiving()
    for (let index = 0; index < 10_000; index++) moves.readPresence(left(`c${index}`))
    moves.readPresence(left('anna'))
    moves.came('anna', ['lobby'], true)
    expect(told).toEqual(['+anna lobby'])
  })
})

describe('who is told as having left, and is here', () => {
  test('is told as joined, in the channel of which it was said', () => {
    const { moves, told, connect } = receiving()
    connect('anna', 'lobby', 'news')
    moves.readPresence({ ...left('anna', 'bob'), channel: 'news' })
    expect(told).toEqual(['+anna news'])
  })

  test('is not, if it is not in that channel', () => {
    const { moves, told, connect } = receiving()
    connect('anna', 'lobby')
    moves.readPresence({ ...left('anna'), channel: 'news' })
    expect(told).toEqual([])
  })

  test('is no longer elsewhere: it is told when it leaves this instance, too', () => {
    const { moves, connect } = draining()
    const anna = connect('anna', 'lobby')
    anna.isElsewhere = true
    moves.readPresence(left('anna'))
    expect(anna.isElsewhere).toBe(false)
  })
})

describe('an arrival elsewhere', () => {
  test('says to a draining instance that these have not left', () => {
    const { moves, told } = draining()
    moves.readArrival(arrivalEntry({ clients: ['anna', 'bob'] }))
    expect(told).toEqual(['anna stayed', 'anna elsewhere', 'bob stayed', 'bob elsewhere'])
  })

  test('says nothing to one that is not: there it is another anna', () => {
    const { moves, told } = receiving()
    moves.readArrival(arrivalEntry({ clients: ['anna'] }))
    expect(told).toEqual([])
  })
})

describe('who leaves', () => {
  test('is told as having left at once while nothing is drained, or where nobody else is ready', () => {
    const serving = alone()
    serving.moves.left('anna', ['lobby'])
    expect(serving.told).toEqual(['-anna lobby'])
    const last = draining()
    last.state.isAnotherReady = false
    last.moves.left('anna', ['lobby'])
    expect(last.told).toEqual(['-anna lobby'])
  })

  test('is held back a second in a shutdown, each for itself: whoever let it in may be busy', () => {
    const { moves, told, clock } = draining()
    moves.left('anna', ['lobby', 'news'])
    clock.advance(600)
    moves.left('bob', ['lobby'])
    clock.advance(399)
    expect(told).toEqual([])
    clock.advance(1)
    expect(told).toEqual(['-anna lobby,news'])
    clock.advance(599)
    expect(told).toEqual(['-anna lobby,news'])
    clock.advance(1)
    expect(told).toEqual(['-anna lobby,news', '-bob lobby'])
  })

  test('is not told as having left when its arrival is read meanwhile', () => {
    const { moves, told, clock } = draining()
    moves.left('anna', ['lobby'])
    clock.advance(900)
    moves.readArrival(arrivalEntry({ clients: ['anna'] }))
    clock.advance(5000)
    expect(told).toEqual(['anna stayed', 'anna elsewhere'])
  })

  test('and comes back to the same instance has left before it comes', () => {
    const { moves, told, clock } = draining()
    moves.left('anna', ['lobby'])
    moves.came('anna', ['lobby'], false)
    clock.advance(5000)
    expect(told).toEqual(['-anna lobby', '+anna lobby'])
  })

  test('is told at the end, however short it was held back', () => {
    const { moves, told, clock } = draining()
    moves.left('anna', ['lobby'])
    moves.left('bob', ['lobby'])
    moves.close()
    clock.advance(5000)
    expect(told).toEqual(['-anna lobby', '-bob lobby'])
  })
})
