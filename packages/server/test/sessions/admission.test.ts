/** Admission: which clients the server accepts, and the rejections of the others. */
import { CLOSE_CODES, TEXTS } from '@lastcall/protocol'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import {
  Admission,
  rejection,
  type AdmissionOptions,
  type Admitted,
  type HandshakeRequest,
} from '../../src/sessions/admission.js'
import { ConnectionManager } from '../../src/connections/connection-manager.js'
import { hashOfSession } from '../../src/instances/claimed-client.js'
import { originMatcher } from '../../src/config/origins.js'
import { systemRandomness } from '../../src/randomness.js'
import { Sessions } from '../../src/sessions/signed-sessions.js'
import type { TokenClaims } from '../../src/sessions/token-verifier.js'
import { FakeClock } from '../support/fake-clock.js'
import { FakeTransport } from '../support/fake-transport.js'
import { identityOf } from '../support/identity.js'

const NOBODY: HandshakeRequest = {
  clientId: undefined,
  token: undefined,
  cursor: undefined,
  channels: undefined,
  session: undefined,
  avoid: undefined,
  origin: undefined,
  acceptLanguage: undefined,
}

const claims = (some: Partial<TokenClaims> = {}): TokenClaims => ({
  subject: undefined,
  expiresAtMs: Infinity,
  channels: undefined,
  ...some,
})

let clock: FakeClock
let connections: ConnectionManager
let sessions: Sessions

beforeEach(() => {
  clock = new FakeClock()
  connections = new ConnectionManager({ clock })
  sessions = new Sessions('secret')
})

function admission(some: Partial<AdmissionOptions> = {}): Admission {
  return new Admission({
    connections,
    sessions,
    verifyToken: undefined,
    allowsOrigin: undefined,
    pending: { count: 0, has: () => false },
    clock,
    randomness: systemRandomness,
    maxConnections: 0,
    maxChannels: 5,
    locale: 'uk',
    build: 'old',
    instances: { isReadyBeside: () => false },
    holderElsewhere: () => undefined,
    waitForRelease: () => Promise.resolve(),
    isClosed: () => false,
    ...some,
  })
}

const withTokens = (some: Partial<AdmissionOptions> = {}): Admission =>
  admission({ verifyToken: () => Promise.resolve(undefined), ...some })

/** The admitted client. Fails if the decision is a rejection. */
function admitted(decision: ReturnType<Admission['decide']>): Admitted {
  if (!decision.admitted) throw new Error(`turned away: ${decision.reason}`)
  return decision
}

test('the server checks the session of a handshake once, however often it asks for it', async () => {
  const isValid = vi.spyOn(sessions, 'isValid')
  const session = sessions.issue('olha', 'first')
  const request = { ...NOBODY, clientId: 'olha', session }
  const asking = admission({ holderElsewhere: () => ({ sessionHash: hashOfSession(session) }) })
  expect(asking.isHeldElsewhere(request, undefined)).toBe(false)
  await asking.waitForName(request, undefined)
  expect(admitted(asking.decide(request, undefined)).session).toBe(session)
  expect(isValid).toHaveBeenCalledOnce()
  const forged = { ...NOBODY, clientId: 'petro', session }
  expect(asking.isHeldElsewhere(forged, undefined)).toBe(true)
  expect(asking.decide(forged, undefined)).toMatchObject({ reason: 'id_in_use' })
  expect(isValid).toHaveBeenCalledTimes(2)
})

const decide = (request: Partial<HandshakeRequest>, options: Partial<AdmissionOptions> = {}, said?: TokenClaims) =>
  admission(options).decide({ ...NOBODY, ...request }, said)

const connect = (clientId: string, session = ''): void => {
  connections.connect(new FakeTransport(), identityOf(clientId, { session }))
}

describe('a name', () => {
  test('that is given is taken', () => {
    expect(admitted(decide({ clientId: 'anna' }))).toMatchObject({ clientId: 'anna', expiresAtMs: Infinity })
  })

  test('that is not given is made up, and no two are alike', () => {
    const names = Array.from({ length: 100 }, () => admitted(decide({})).clientId)
    for (const name of names) expect(name).toMatch(/^guest-[a-zA-Z0-9_-]{8,}$/)
    expect(new Set(names).size).toBe(100)
  })

  test('is the token’s when none is given', () => {
    expect(admitted(withTokens().decide(NOBODY, claims({ subject: 'anna' }))).clientId).toBe('anna')
  })

  test.each(['', 'bad id', 'a/b', '../x', 'a'.repeat(65), 'ім’я', 'a%20b', 'a\n', '__proto__ '])(
    '%j is none: 1003',
    (clientId) => {
      expect(decide({ clientId })).toMatchObject({ reason: 'invalid_client_id', closeCode: 1003, httpStatus: 400 })
    },
  )

  test('may look like a property of every object', () => {
    for (const clientId of ['__proto__', 'constructor', 'toString']) {
      expect(admitted(decide({ clientId })).clientId).toBe(clientId)
    }
  })

  test('of a token that is none is not taken either', () => {
    expect(withTokens().decide(NOBODY, claims({ subject: 'bad id' }))).toMatchObject({ closeCode: 1003 })
  })
})

describe('where tokens are asked for', () => {
  test.each<[what: string, request: Partial<HandshakeRequest>, said: TokenClaims | undefined, isAdmitted: boolean]>([
    ['none', { clientId: 'anna' }, undefined, false],
    ['one for this name', { clientId: 'anna' }, claims({ subject: 'anna' }), true],
    ['one for another name', { clientId: 'anna' }, claims({ subject: 'bob' }), false],
    ['one for anybody', { clientId: 'anna' }, claims(), true],
    [
      'one that expired a moment ago',
      { clientId: 'anna' },
      claims({ subject: 'anna', expiresAtMs: FakeClock.BEGINNING_MS - 1 }),
      false,
    ],
    ['none and no name', {}, undefined, false],
  ])('%s', (_what, request, said, isAdmitted) => {
    const decision = withTokens().decide({ ...NOBODY, ...request }, said)
    expect(decision.admitted).toBe(isAdmitted)
    if (!isAdmitted) expect(decision).toMatchObject({ reason: 'unauthorized', closeCode: 1008, httpStatus: 401 })
  })

  test('the connection ends when the token does, and may use what the token allows', () => {
    const expiresAtMs = FakeClock.BEGINNING_MS + 60_000
    const said = claims({ subject: 'anna', expiresAtMs, channels: ['news.*'] })
    expect(admitted(withTokens().decide({ ...NOBODY, clientId: 'anna' }, said))).toMatchObject({
      expiresAtMs,
      allowedChannels: ['news.*'],
    })
  })

  test('a token is checked; where none is asked for, it is not', async () => {
    const asked: string[] = []
    const verifyToken = (token: string): Promise<TokenClaims | undefined> => {
      asked.push(token)
      return Promise.resolve(claims({ subject: 'anna' }))
    }
    expect(await admission({ verifyToken }).claims({ ...NOBODY, token: 'a' })).toMatchObject({ subject: 'anna' })
    expect(await admission({ verifyToken }).claims(NOBODY)).toBeUndefined()
    expect(await admission().claims({ ...NOBODY, token: 'b' })).toBeUndefined()
    expect(asked).toEqual(['a'])
    expect([admission({ verifyToken }).asksForToken, admission().asksForToken]).toEqual([true, false])
  })
})

describe('an origin', () => {
  const allowsOrigin = originMatcher(['https://chat.example'])

  test.each([
    ['https://chat.example', true],
    ['HTTPS://Chat.Example', true],
    ['https://chat.example.evil', false],
    ['http://chat.example', false],
    ['null', false],
    ['', false],
    [undefined, true],
  ])('%j may: %s', (origin, isAdmitted) => {
    const decision = decide({ clientId: 'anna', origin }, { allowsOrigin })
    expect(decision.admitted).toBe(isAdmitted)
    if (!isAdmitted) expect(decision).toMatchObject({ reason: 'origin', closeCode: 1008 })
  })

  test('is not looked at when none are configured', () => {
    expect(decide({ origin: 'https://anywhere.example' }).admitted).toBe(true)
  })
})

describe('a name that is connected already', () => {
  test('is in use for a client that cannot prove that it is the same', () => {
    connect('anna', sessions.issue('anna', 'first'))
    const inUse = { admitted: false, reason: 'id_in_use', closeCode: 4009, httpStatus: 409 }
    expect(decide({ clientId: 'anna' })).toMatchObject(inUse)
    expect(decide({ clientId: 'anna', session: 'nonsense' })).toMatchObject(inUse)
    expect(decide({ clientId: 'anna', session: sessions.issue('bob', 'first') })).toMatchObject(inUse)
    expect(withTokens().decide({ ...NOBODY, clientId: 'anna' }, claims())).toMatchObject(inUse)
  })

  test('is in use also for a client that held it before the present holder', () => {
    const earlier = sessions.issue('anna', 'earlier')
    connect('anna', sessions.issue('anna', 'now'))
    expect(decide({ clientId: 'anna', session: earlier })).toMatchObject({ reason: 'id_in_use' })
  })

  test('is taken over with its session, and keeps it', () => {
    const session = sessions.issue('anna', 'first')
    connect('anna', session)
    expect(admitted(decide({ clientId: 'anna', session })).session).toBe(session)
  })

  test('is taken over with a token for it', () => {
    connect('anna', sessions.issue('anna', 'first'))
    const decision = withTokens().decide({ ...NOBODY, clientId: 'anna' }, claims({ subject: 'anna' }))
    expect(decision.admitted).toBe(true)
  })

  test('may be taken over though the server is full', () => {
    const session = sessions.issue('anna', 'first')
    connect('anna', session)
    expect(decide({ clientId: 'anna', session }, { maxConnections: 1 }).admitted).toBe(true)
  })
})

describe('a session', () => {
  test('is new for a client without one, and stays the same for a client that resumes with it', () => {
    const first = admitted(decide({ clientId: 'anna' }))
    expect(sessions.isValid(first.session, 'anna')).toBe(true)
    const second = admitted(decide({ clientId: 'anna', session: first.session }))
    expect(second.session).toBe(first.session)
    expect(second.connectionId).not.toBe(first.connectionId)
  })

  test('that is not valid is replaced', () => {
    for (const session of ['nonsense', sessions.issue('bob', 'id'), new Sessions('other').issue('anna', 'id')]) {
      const given = admitted(decide({ clientId: 'anna', session })).session
      expect(given).not.toBe(session)
      expect(sessions.isValid(given, 'anna')).toBe(true)
    }
  })
})

describe('MAX_CONNECTIONS', () => {
  test('rejects one client more than MAX_CONNECTIONS: 1013', () => {
    connect('anna')
    connect('bob')
    expect(decide({ clientId: 'cleo' }, { maxConnections: 3 }).admitted).toBe(true)
    expect(decide({ clientId: 'cleo' }, { maxConnections: 2 })).toMatchObject({
      reason: 'max_connections',
      closeCode: 1013,
      httpStatus: 503,
    })
  })

  test('of 0 is no limit', () => {
    for (let index = 0; index < 20; index++) connect(`c${index}`)
    expect(decide({}, { maxConnections: 0 }).admitted).toBe(true)
  })
})

describe('a client that avoids a build', () => {
  const beside = (ready: string | undefined): Partial<AdmissionOptions> => ({
    build: 'old',
    instances: { isReadyBeside: (build) => ready !== undefined && ready !== build },
  })
  const otherBuild = { reason: 'other_build_ready', closeCode: 1013, httpStatus: 503 }

  test('is rejected by that build while another one is ready: 1013', () => {
    expect(decide({ clientId: 'anna', avoid: 'old' }, beside('new'))).toMatchObject(otherBuild)
    expect(decide({ clientId: 'anna', avoid: 'old' }, beside('old')).admitted).toBe(true)
    expect(decide({ clientId: 'anna', avoid: 'old' }, beside(undefined)).admitted).toBe(true)
  })

  test('is accepted by any other build', () => {
    for (const avoid of ['new', 'older', 'OLD', 'ol', 'old ']) {
      expect(decide({ clientId: 'anna', avoid }, beside('new')).admitted).toBe(true)
    }
  })

  test('gets this rejection before those of this instance alone: elsewhere its name may be free, and there may be room', () => {
    connect('anna', sessions.issue('anna', 'first'))
    expect(decide({ clientId: 'anna', avoid: 'old' }, { ...beside('new'), maxConnections: 1 })).toMatchObject(
      otherBuild,
    )
  })

  test('first gets the rejections that every instance would give', () => {
    expect(decide({ clientId: 'bad id', avoid: 'old' }, beside('new'))).toMatchObject({ reason: 'invalid_client_id' })
    expect(withTokens(beside('new')).decide({ ...NOBODY, clientId: 'anna', avoid: 'old' }, undefined)).toMatchObject({
      reason: 'unauthorized',
    })
    expect(decide({ avoid: 'old' }, { ...beside('new'), isClosed: () => true })).toMatchObject({ closeCode: 1001 })
  })

  test('is moving if it proves its identity', () => {
    const session = sessions.issue('anna', 'first')
    const isMoving = (some: Partial<HandshakeRequest>): boolean =>
      admitted(decide({ clientId: 'anna', ...some })).isMoving
    expect(isMoving({ avoid: 'older', session })).toBe(true)
    expect(isMoving({ avoid: 'older' })).toBe(false)
    expect(isMoving({ avoid: 'older', session: 'nonsense' })).toBe(false)
    expect(isMoving({ avoid: 'older', session: sessions.issue('bob', 'first') })).toBe(false)
    expect(isMoving({ session })).toBe(false)
    const byToken = withTokens().decide({ ...NOBODY, clientId: 'anna', avoid: 'older' }, claims({ subject: 'anna' }))
    expect(admitted(byToken).isMoving).toBe(true)
  })

  test.each(['', ' ', 'a b', 'a\n', 'збірка', 'x'.repeat(129)])('with %j avoids none', (avoid) => {
    const session = sessions.issue('anna', 'first')
    expect(admitted(decide({ clientId: 'anna', avoid, session })).isMoving).toBe(false)
  })
})

describe('channels', () => {
  const channels = (asked: string | undefined, said?: TokenClaims): readonly string[] | string => {
    const decision = (said ? withTokens() : admission()).decide({ ...NOBODY, clientId: 'anna', channels: asked }, said)
    return decision.admitted ? decision.channels : decision.reason
  }

  test.each([
    [undefined, ['lobby']],
    ['', ['lobby']],
    ['news', ['lobby', 'news']],
    ['news,sport,news,lobby', ['lobby', 'news', 'sport']],
    ['a.b:c-d_E', ['lobby', 'a.b:c-d_E']],
  ])('%j are %j', (asked, expected) => {
    expect(channels(asked)).toEqual(expected)
  })

  test.each(['news,', ',', 'a b', 'a,канал', 'a'.repeat(65), 'a,b,c,d,e'])('%j are not to be had: 1008', (asked) => {
    expect(channels(asked)).toBe('forbidden_channel')
    expect(decide({ channels: asked })).toMatchObject({ closeCode: 1008, httpStatus: 403 })
  })

  test('are those that the token allows, the lobby too', () => {
    const said = claims({ subject: 'anna', channels: ['news.*'] })
    expect(channels('news.sport', said)).toEqual(['news.sport'])
    expect(channels(undefined, said)).toEqual([])
    expect(channels('news.sport,secret', said)).toBe('forbidden_channel')
    expect(channels('news', claims({ subject: 'anna', channels: ['news', 'lobby'] }))).toEqual(['lobby', 'news'])
  })
})

test.each([
  [undefined, undefined],
  ['epoch:12', { epoch: 'epoch', offset: 12 }],
  ['', 'malformed'],
  ['epoch:-1', 'malformed'],
])('the cursor %j is %j', (cursor, expected) => {
  expect(admitted(decide({ cursor })).cursor).toEqual(expected)
})

describe('a shutdown', () => {
  test('rejects every client with 1001, whatever else is wrong with its handshake', () => {
    const isClosed = (): boolean => true
    for (const request of [{ clientId: 'anna' }, { clientId: 'bad id' }, { origin: 'https://evil.example' }]) {
      expect(decide(request, { isClosed, allowsOrigin: () => false })).toMatchObject({
        reason: 'shutting_down',
        closeCode: 1001,
        httpStatus: 503,
      })
    }
  })
})

describe('the server reports the mistake', () => {
  test('in the language of the client, or else of the server', () => {
    expect(decide({ clientId: 'bad id', acceptLanguage: 'en' })).toMatchObject({ locale: 'en' })
    expect(decide({ clientId: 'bad id' })).toMatchObject({ locale: 'uk' })
    expect(decide({ clientId: 'bad id' }, { locale: 'en' })).toMatchObject({ locale: 'en' })
    expect(admitted(decide({ acceptLanguage: 'en-GB' })).locale).toBe('en')
  })

  test('with a code and a reason that exist', () => {
    for (const reason of [
      'shutting_down',
      'origin',
      'invalid_client_id',
      'unauthorized',
      'max_connections',
      'id_in_use',
      'other_build_ready',
      'journal_unavailable',
      'forbidden_channel',
      'refused',
    ] as const) {
      const { closeCode, closeReason, httpStatus } = rejection(reason, 'en')
      expect(Object.values(CLOSE_CODES)).toContain(closeCode)
      expect(TEXTS.en.reasons[closeReason]).toMatch(/./)
      expect([400, 401, 403, 409, 503]).toContain(httpStatus)
    }
  })

  test('without a trace of whether a token was right, when the name was not', () => {
    const wrongName = withTokens().decide({ ...NOBODY, clientId: 'anna' }, claims({ subject: 'bob' }))
    const noToken = withTokens().decide({ ...NOBODY, clientId: 'anna' }, undefined)
    expect(wrongName).toEqual(noToken)
  })
})
