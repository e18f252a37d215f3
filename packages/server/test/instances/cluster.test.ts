/**
 * The knowledge that instances gain of each other through one journal: ClusterState and InstanceAnnouncer together. The
 * journal is a list here. Every instance reads it in order, up to the point that the test chooses.
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { ClusterState } from '../../src/instances/cluster-state.js'
import type { ClaimedClient } from '../../src/instances/claimed-client.js'
import { InstanceAnnouncer } from '../../src/instances/instance-announcer.js'
import type { Entry, EntryContent, VisibleChange } from '../../src/journal/journal.js'
import { silentLogger } from '../../src/observability/log.js'
import { Stats } from '../../src/observability/stats.js'
import { FakeClock } from '../support/fake-clock.js'
import { finishApplication } from '../support/pieces.js'

const TIMEOUT_MS = 30_000

let clock: FakeClock
let log: Entry[]
let nodes: Node[]
let afterTurn: (() => void)[]

/** Its turns of the event loop end when the test says so. */
class TurnClock extends FakeClock {
  override soon(callback: () => void): void {
    afterTurn.push(callback)
  }
}

const client = (clientId: string, some: Partial<ClaimedClient> = {}): ClaimedClient => ({
  clientId,
  connectionId: `connection of ${clientId}`,
  session: `session of ${clientId}`,
  hasToken: false,
  isMoving: false,
  admittedAt: 0,
  ...some,
})

class Node {
  readonly state: ClusterState
  readonly announcer: InstanceAnnouncer
  readonly stats = new Stats()
  readonly clients = new Map<string, { client: ClaimedClient; channels: string[] }>()
  /** Clients of an epoch that has ended: connected, and no clients of the new one. */
  readonly #former = new Map<string, ClaimedClient>()
  /** The entries that clients of this instance receive. */
  readonly changes: VisibleChange[] = []
  /** `WHAT CLIENT` for each event of a connection. */
  readonly events: string[] = []
  /** In how many further pieces it has applied one entry, at most. */
  mostPieces = 0
  /** It neither reads nor appends any more. */
  isKilled = false
  /** The entries that it appends are lost, and it reads nothing. */
  isCutOff = false
  readonly #name: string
  readonly #own = new Map<Entry, (isLost: boolean) => void>()
  #position: number

  constructor(name: string) {
    this.#name = name
    this.#position = log.length
    this.state = new ClusterState({
      node: name,
      timeoutMs: TIMEOUT_MS,
      hasPresence: true,
      presenceListLimit: 10,
      clientsHere: () => this.#former,
      clock,
      stats: this.stats,
      log: silentLogger,
    })
    this.announcer = new InstanceAnnouncer({
      node: name,
      build: '1',
      startedAtMs: 0,
      timeoutMs: TIMEOUT_MS,
      presenceIntervalMs: 250,
      isShared: true,
      state: this.state,
      connectionCount: () => this.clients.size,
      lagMs: () => 0,
      roster: () => ({
        clients: [...this.clients.values()].map((each) => each.client),
        members: [...this.clients].map(([clientId, { channels }]) => ({ channels, clients: [clientId] })),
      }),
      publish: (content, onSettled) => this.append(content, onSettled),
      clock,
    })
    this.state.observe({
      onClaimedElsewhere: ({ clientId }, { node }) => this.#close(clientId, `${clientId} went to ${node}`),
      onClaimOutdated: ({ clientId }) => this.#close(clientId, `${clientId} has to connect again`),
      onClaimVoid: ({ clientId }, { node }) => this.#close(clientId, `${clientId} is of ${node}`),
    })
    this.state.reachHead()
    nodes.push(this)
  }

  append(content: EntryContent, onSettled: (isLost: boolean) => void = () => undefined): void {
    if (this.isKilled) return
    if (this.isCutOff) return onSettled(true)
    const entry = {
      ...content,
      offset: log.length + 1,
      at: clock.now(),
      node: this.#name,
      sequence: 0,
      bytes: 1,
    } as Entry
    log.push(entry)
    this.#own.set(entry, onSettled)
  }

  enter(clientId: string, some: Partial<ClaimedClient> = {}, channels = ['lobby']): void {
    const entering = client(clientId, { admittedAt: this.#position, ...some })
    this.clients.set(clientId, { client: entering, channels })
    this.announcer.admitted(entering, channels)
  }

  leave(clientId: string): void {
    const known = this.clients.get(clientId)
    this.clients.delete(clientId)
    if (known) this.announcer.ended(known.client, known.channels)
  }

  /** Its journal was replaced, and the server begins to close all connections. */
  replaced(): void {
    for (const [clientId, known] of this.clients) this.#former.set(clientId, known.client)
    this.clients.clear()
    this.state.replaced()
  }

  /** As the server closes the connection. */
  #close(clientId: string, event: string): void {
    if (!this.clients.has(clientId)) return
    this.events.push(event)
    this.leave(clientId)
  }

  /** Reads one entry. Answers whether there was one. */
  read(): boolean {
    const entry = log[this.#position]
    if (!entry || this.isKilled || this.isCutOff) return false
    this.#position++
    const { visible: told, pieces } = finishApplication(this.state.apply(entry))
    this.mostPieces = Math.max(this.mostPieces, pieces)
    if (told.kind === 'presence') this.changes.push(...told.changes)
    this.#own.get(entry)?.(false)
    return true
  }
}

/** Everybody reads until there is nothing left. */
function settle(): void {
  do {
    for (const callback of afterTurn.splice(0)) callback()
  } while (nodes.map((node) => node.read()).includes(true) || afterTurn.length > 0)
}

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.advance(250)
    settle()
  }
}

function start(name: string): Node {
  const node = new Node(name)
  node.announcer.begin()
  settle()
  node.announcer.announce('ready')
  settle()
  return node
}

const idsIn = (node: Node, channel = 'lobby'): string[] => {
  const snapshot = JSON.parse(node.state.snapshotFor('reader', [channel]) ?? '{}') as Record<
    string,
    { clients: { clientId: string }[] }
  >
  return (snapshot[channel]?.clients ?? []).map(({ clientId }) => clientId).filter((clientId) => clientId !== 'reader')
}

beforeEach(() => {
  clock = new TurnClock()
  log = []
  nodes = []
  afterTurn = []
})

describe('an instance that starts', () => {
  test('knows the clients of the others before it is ready', () => {
    const a = start('a')
    a.enter('anna')
    a.enter('borys', {}, ['news'])
    pass(500)
    const b = new Node('b')
    b.announcer.begin()
    settle()
    expect([idsIn(b), idsIn(b, 'news'), b.state.clientsElsewhere]).toEqual([['anna'], ['borys'], 2])
    expect(b.state.instances.count('starting')).toBe(1)
    expect(b.state.instances.isAnotherReady).toBe(true)
  })

  test('becomes known to the others although they announced themselves a moment before', () => {
    const a = new Node('a')
    const b = new Node('b')
    a.announcer.begin()
    // B reads that A is live before B begins.
    settle()
    b.announcer.begin()
    settle()
    b.enter('anna')
    pass(500)
    expect([a.state.holderElsewhere('anna')?.node, idsIn(a)]).toEqual(['b', ['anna']])
  })

  test('announces no second join of any client', () => {
    const a = start('a')
    a.enter('anna')
    pass(500)
    a.changes.length = 0
    start('b')
    pass(TIMEOUT_MS)
    expect(a.changes).toEqual([])
  })
})

describe('a clientId', () => {
  test('goes to an instance that does not know its holder yet', () => {
    const a = start('a')
    a.enter('anna')
    pass(TIMEOUT_MS)
    const b = new Node('b')
    b.announcer.begin()
    b.enter('anna', { connectionId: 'second' })
    settle()
    expect([a.events, b.events]).toEqual([['anna went to b'], []])
  })

  test('goes to the later of two claims of the same client', () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    settle()
    b.enter('anna', { connectionId: 'second' })
    settle()
    expect([a.events, b.events]).toEqual([['anna went to b'], []])
    expect(a.state.holderElsewhere('anna')?.connectionId).toBe('second')
  })

  test('stays with the first of two different clients, on any instance', () => {
    const [a, b] = [start('a'), start('b')]
    // Neither instance has read the claim of the other one.
    a.enter('anna')
    b.enter('anna', { session: 'another session', connectionId: 'second' })
    settle()
    expect([a.events, b.events]).toEqual([[], ['anna is of a']])
  })

  test('is free when its connection has ended, and the handshakes that wait for it continue', async () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    settle()
    const waiting = b.state.waitForRelease('anna', 1000)
    a.leave('anna')
    settle()
    await waiting
    expect(b.state.holderElsewhere('anna')).toBeUndefined()
  })
})

describe('an instance that was killed', () => {
  test('is lost after INSTANCE_TIMEOUT, and every instance applies the leaves of its clients at one offset', () => {
    const [a, b, c] = [start('a'), start('b'), start('c')]
    b.enter('anna')
    pass(500)
    a.changes.length = c.changes.length = 0
    b.isKilled = true
    pass(TIMEOUT_MS - 500)
    expect([a.changes, a.state.holderElsewhere('anna')?.node]).toEqual([[], 'b'])
    pass(TIMEOUT_MS / 2)
    const left = { channel: 'lobby', joined: [], left: ['anna'], count: 0 }
    expect([a.changes, c.changes]).toEqual([[left], [left]])
    expect([a.state.holderElsewhere('anna'), a.stats.instancesLost]).toEqual([undefined, 1])
  })

  test('announces itself again when it was only suspended, and holds its clients again', () => {
    const [a, b] = [start('a'), start('b')]
    b.enter('anna')
    pass(500)
    b.isKilled = true
    pass(2 * TIMEOUT_MS)
    expect(idsIn(a)).toEqual([])
    b.isKilled = false
    pass(TIMEOUT_MS)
    expect([idsIn(a), a.state.holderElsewhere('anna')?.node]).toEqual([['anna'], 'b'])
  })

  test('does not hold a client again that has connected to another instance meanwhile', () => {
    const [a, b] = [start('a'), start('b')]
    b.enter('anna')
    pass(500)
    b.isKilled = true
    pass(2 * TIMEOUT_MS)
    a.enter('anna', { connectionId: 'second' })
    pass(500)
    b.isKilled = false
    pass(TIMEOUT_MS)
    expect(b.events).toEqual(['anna went to a'])
    expect(b.state.holderElsewhere('anna')?.node).toBe('a')
  })

  test('declares no instance lost when the reader itself was suspended', () => {
    const [a, b] = [start('a'), start('b')]
    b.enter('anna')
    pass(500)
    a.isKilled = true
    pass(2 * TIMEOUT_MS)
    a.isKilled = false
    a.changes.length = 0
    pass(TIMEOUT_MS)
    expect([a.changes, idsIn(a)]).toEqual([[], ['anna']])
  })
})

describe('a client that connected during an outage of the journal', () => {
  test('stays present when the journal is available again', () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    pass(500)
    a.isCutOff = b.isCutOff = true
    // The connection of the client to A is half open, and A has not detected that.
    b.enter('anna', { connectionId: 'second' })
    pass(1000)
    a.isCutOff = b.isCutOff = false
    for (const node of [a, b]) {
      node.state.reconnected()
      settle()
    }
    pass(TIMEOUT_MS)
    expect([a.events, b.events]).toEqual([['anna went to b'], []])
    expect(a.state.holderElsewhere('anna')?.connectionId).toBe('second')
  })

  test('stays present although a roster is appended in the turn of its welcome', () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    pass(500)
    b.enter('anna', { connectionId: 'second' })
    b.state.reconnected()
    settle()
    expect([a.events, b.events]).toEqual([['anna went to b'], []])
  })
})

describe('while the journal cannot be reached', () => {
  test('no lease expires, and every instance has the complete state afterwards', () => {
    const [a, b] = [start('a'), start('b')]
    b.enter('anna')
    pass(500)
    a.isKilled = b.isKilled = true
    pass(3 * TIMEOUT_MS)
    a.isKilled = b.isKilled = false
    a.changes.length = 0
    for (const node of [a, b]) node.state.reconnected()
    pass(TIMEOUT_MS / 3)
    expect([a.changes, idsIn(a), a.stats.instancesLost]).toEqual([[], ['anna'], 0])
  })

  test('a replaced journal receives the complete state again', () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    b.enter('borys')
    pass(500)
    log.push(
      ...Array.from({ length: 3 }, (): Entry => ({
        kind: 'placeholder',
        offset: 0,
        at: 0,
        node: '',
        sequence: 0,
        bytes: 0,
      })),
    )
    for (const node of [a, b]) node.state.replaced()
    settle()
    expect([idsIn(a), idsIn(b)].map((ids) => ids.toSorted())).toEqual([
      ['anna', 'borys'],
      ['anna', 'borys'],
    ])
  })
})

describe('the complete state of a large instance', () => {
  const channels = Array.from({ length: 50 }, (_, index) => `room-${index}`)
  const CLIENTS = 120

  test('is applied in pieces by a starting instance, which then agrees with its hash', () => {
    const a = start('a')
    for (let index = 0; index < CLIENTS; index++) a.enter(`client-${index}`, {}, channels)
    pass(1000)
    const b = start('b')
    pass(TIMEOUT_MS)
    // 50 × 120 pairs of a channel and a client, at most 1,000 of them in a piece.
    expect(b.mostPieces).toBeGreaterThanOrEqual(6)
    expect(b.state.digestOf('a')).toBe(a.state.digestOf('a'))
    expect([a.stats.rosterRequests, b.stats.rosterRequests]).toEqual([0, 0])
    expect(b.changes.map(({ channel, count }) => ({ channel, count }))).toEqual(
      channels.map((channel) => ({ channel, count: CLIENTS })),
    )
  })

  test('is removed in pieces when the instance ends', () => {
    const [a, b] = [start('a'), start('b')]
    for (let index = 0; index < CLIENTS; index++) b.enter(`client-${index}`, {}, channels)
    pass(1000)
    a.changes.length = 0
    a.mostPieces = 0
    b.isKilled = true
    pass(2 * TIMEOUT_MS)
    expect(a.mostPieces).toBeGreaterThanOrEqual(6)
    expect(a.changes.map(({ left, count }) => [left.length, count])).toEqual(channels.map(() => [CLIENTS, 0]))
  })
})

describe('when the journal was replaced', () => {
  const expected = (node: Node): boolean[] =>
    ['anna', 'borys'].map((name) => node.state.reservationOf(name) !== undefined)

  test('every instance reserves the names of all clients until they have returned', () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    b.enter('borys')
    settle()
    for (const node of [a, b]) node.replaced()
    settle()
    expect([a, b].map(expected)).toEqual([
      [true, true],
      [true, true],
    ])
    b.enter('anna')
    a.enter('borys')
    settle()
    expect([a, b].map(expected)).toEqual([
      [false, false],
      [false, false],
    ])
  })

  test('a single instance reserves the names of its clients', () => {
    const a = start('a')
    a.enter('anna')
    a.replaced()
    expect(expected(a)).toEqual([true, false])
    a.enter('anna')
    expect(expected(a)).toEqual([false, false])
  })
})

describe('a roster', () => {
  test.each(['is asked for', 'is due because an instance starts'])(
    'that %s leaves no client behind that joined and left shortly before',
    (why) => {
      const [a, b] = [start('a'), start('b')]
      a.enter('anna')
      if (why === 'is asked for') b.append({ kind: 'rosterRequest', of: 'a' })
      else start('c')
      settle()
      a.leave('anna')
      pass(1000)
      expect([idsIn(a), idsIn(b)]).toEqual([[], []])
    },
  )

  test('does not hide a client that leaves before it and returns after it', () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    pass(500)
    a.leave('anna')
    b.append({ kind: 'rosterRequest', of: 'a' })
    settle()
    a.enter('anna')
    pass(1000)
    expect([idsIn(a), idsIn(b)]).toEqual([['anna'], ['anna']])
  })
})

describe('the digest', () => {
  test('detects a difference, and a roster repairs it', () => {
    const [a, b] = [start('a'), start('b')]
    a.enter('anna')
    pass(500)
    // B never read this entry, because the journal evicted it before.
    a.enter('borys')
    clock.advance(250)
    const lost = log.findLastIndex(({ kind }) => kind === 'members')
    const entry = log[lost]
    if (!entry) throw new Error('no members entry')
    log[lost] = { kind: 'placeholder', offset: entry.offset, at: 0, node: '', sequence: 0, bytes: 0 }
    b.read()
    log[lost] = entry
    pass(TIMEOUT_MS / 2)
    expect(idsIn(b)).toEqual(['anna', 'borys'])
  })
})
