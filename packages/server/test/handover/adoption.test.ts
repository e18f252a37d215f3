/** What a process answers to a connection of another one, with a transport and a journal that the test controls. */
import { beforeEach, expect, test } from 'vitest'
import type { SocketHandle } from '../../src/connections/transferable.js'
import { Adoption, type AdoptionOptions } from '../../src/handover/adoption.js'
import type { HandoverRecord } from '../../src/handover/record.js'
import { silentLogger } from '../../src/observability/log.js'
import { Stats } from '../../src/observability/stats.js'
import type { Continued } from '../../src/sessions/session-setup.js'
import { FakeClock } from '../support/fake-clock.js'

const EPOCH = 'a1b2c3d4'
const RECORD: HandoverRecord = {
  version: 1,
  node: 'old',
  identity: {
    clientId: 'olena',
    connectionId: 'connection-1',
    session: 'a secret',
    hasToken: false,
    admittedAt: 3,
    locale: 'en',
    strict: false,
    expiresAtMs: null,
    allowedChannels: null,
  },
  channels: ['lobby'],
  cursor: `${EPOCH}:5`,
  session: { budget: {}, wrongInARow: 0, refusedIds: [] },
  connectedAgoMs: 400,
  heardAgoMs: 40,
  isAlive: true,
  head: Buffer.from('head'),
}

let happened: string[]
let continued: Continued | undefined
let clock: FakeClock
let stats: Stats
const handle: SocketHandle = { close: () => void happened.push('handle closed') }

beforeEach(() => {
  happened = []
  continued = undefined
  clock = new FakeClock()
  clock.advance(10_000)
  stats = new Stats()
})

interface Circumstances {
  readonly connectionsHere?: number
  readonly isHere?: boolean
  readonly holder?: { readonly node: string; readonly connectionId: string }
  readonly head?: number
  readonly isAvailable?: boolean
  readonly isPeerGone?: boolean
  readonly options?: Partial<AdoptionOptions>
}

function adoption(some: Circumstances = {}): Adoption {
  const { connectionsHere = 0, isHere = false, holder, head = 5, isAvailable = true, isPeerGone = false } = some
  const transport = {
    close: (code: number) => happened.push(`closed ${String(code)}`),
    resume: () => happened.push('resumed'),
  }
  const given = {
    connections: {
      get: () => (isHere ? {} : undefined),
      getActiveCount: () => connectionsHere,
      forget: () => undefined,
    },
    hub: {
      feed: {
        isAvailable,
        waitForCursor: () => Promise.resolve(),
        isVoid: ({ epoch }: { epoch: string }) => epoch !== EPOCH,
        canRecover: ({ epoch, offset }: { epoch: string; offset: number }) => epoch === EPOCH && offset <= head,
      },
    },
    cluster: { holderElsewhere: () => holder },
    sessionSetup: { continue: (_: unknown, what: Continued) => ((continued = what), {}) },
    openTransport: () => (isPeerGone ? undefined : transport),
    isClosed: () => false,
    maxConnections: 0,
    asksForToken: false,
    clock,
    stats,
    log: silentLogger,
    ...some.options,
  }
  return new Adoption(given as unknown as AdoptionOptions)
}

test('a connection is taken, and continues with its times on the clock of this process', async () => {
  expect(await adoption().adopt(RECORD, handle)).toBe('taken')
  expect(continued).toMatchObject({
    identity: { clientId: 'olena', admittedAt: 3, isMoving: true, expiresAtMs: Infinity, allowedChannels: undefined },
    cursor: { epoch: EPOCH, offset: 5 },
    connectedAtMs: 9_600,
    lastHeardAtMs: 9_960,
  })
  expect(happened).toEqual(['resumed'])
  expect(stats.adoptions).toBe(1)
})

test.each<[string, Circumstances, unknown]>([
  ['a record of a later version', {}, { ...RECORD, version: 2 }],
  ['a cursor that this process has not reached', { head: 4 }, RECORD],
  ['an unavailable journal', { isAvailable: false }, RECORD],
  ['as many connections as MAX_CONNECTIONS allows', { connectionsHere: 8, options: { maxConnections: 8 } }, RECORD],
  ['a shutdown', { options: { isClosed: () => true } }, RECORD],
  ['authentication that the client has never passed', { options: { asksForToken: true } }, RECORD],
  [
    'an expired token',
    {},
    { ...RECORD, identity: { ...RECORD.identity, expiresAtMs: FakeClock.BEGINNING_MS + 9_999 } },
  ],
])('with %s the process refuses, and writes nothing', async (_, circumstances, record) => {
  expect(await adoption(circumstances).adopt(record, handle)).toBe('refused')
  expect(happened).toEqual(['handle closed'])
})

test('a client that has connected again, here or elsewhere, gets 4001 on its older connection', async () => {
  expect(await adoption({ isHere: true }).adopt(RECORD, handle)).toBe('superseded')
  const newer = { node: 'third', connectionId: 'connection-2' }
  expect(await adoption({ holder: newer }).adopt(RECORD, handle)).toBe('superseded')
  expect(await adoption({ holder: { ...newer, node: 'old' } }).adopt(RECORD, handle)).toBe('superseded')
  expect(happened).toEqual(['closed 4001', 'closed 4001', 'closed 4001'])
})

test('the claim of the process that hands the connection over does not count as a newer connection', async () => {
  const holder = { node: 'old', connectionId: 'connection-1' }
  expect(await adoption({ holder }).adopt(RECORD, handle)).toBe('taken')
})

test('a connection whose peer has gone is lost', async () => {
  expect(await adoption({ isPeerGone: true }).adopt(RECORD, handle)).toBe('lost')
  expect(stats.adoptions).toBe(0)
})
