/**
 * Tokens: the server accepts valid ones and rejects all others.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { exportJWK, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { RemoteKeysContext } from '../../src/sessions/remote-keys.js'
import { createTokenVerifier, type TokenVerifier } from '../../src/sessions/token-verifier.js'

const SECRET = 'a secret of more than thirty-two bytes'
const nowSeconds = (): number => Math.floor(Date.now() / 1000)

interface Signing {
  readonly alg?: string
  readonly kid?: string
  readonly key?: KeyObject | Uint8Array
}

function sign(payload: JWTPayload, { alg = 'HS256', kid, key = Buffer.from(SECRET) }: Signing = {}): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg, ...(kid !== undefined && { kid }) }).sign(key)
}

const CONTEXT: RemoteKeysContext = {
  clock: systemClock,
  observer: { onFailed: () => undefined, onRecovered: () => undefined },
}

function verifier(options: Parameters<typeof createTokenVerifier>[0], context = CONTEXT): TokenVerifier {
  const verify = createTokenVerifier(options, context)
  if (!verify) throw new Error('no verifier')
  return verify
}

const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString()

test('nothing configured is no verifier: the server is open', () => {
  expect(createTokenVerifier({}, CONTEXT)).toBeUndefined()
  expect(createTokenVerifier({ authIssuer: 'us' }, CONTEXT)).toBeUndefined()
})

describe('a token with a shared secret', () => {
  const verify = verifier({ authSecret: SECRET })

  test('states its clientId, its expiry and its channels', async () => {
    const exp = nowSeconds() + 60
    expect(await verify(await sign({ sub: 'anna', exp, channels: ['news.*'] }))).toEqual({
      subject: 'anna',
      expiresAtMs: exp * 1000,
      channels: ['news.*'],
    })
  })

  test('without claims is valid for any clientId, for ever, and for all channels', async () => {
    expect(await verify(await sign({}))).toEqual({ subject: undefined, expiresAtMs: Infinity, channels: undefined })
  })

  test('is not believed when another secret signed it', async () => {
    expect(await verify(await sign({ sub: 'anna' }, { key: Buffer.from(`${SECRET}!`) }))).toBeUndefined()
  })

  test('is not believed when it has expired or is not valid yet', async () => {
    expect(await verify(await sign({ exp: nowSeconds() - 1 }))).toBeUndefined()
    expect(await verify(await sign({ nbf: nowSeconds() + 60 }))).toBeUndefined()
  })

  test('is believed when the clock of its issuer differs by no more than the tolerance', async () => {
    const patient = verifier({ authSecret: SECRET, jwtClockToleranceSeconds: 30 })
    const exp = nowSeconds() - 10
    expect(await patient(await sign({ exp }))).toMatchObject({ expiresAtMs: (exp + 30) * 1000 })
    expect(await patient(await sign({ nbf: nowSeconds() + 10 }))).toBeDefined()
    expect(await patient(await sign({ exp: nowSeconds() - 31 }))).toBeUndefined()
    expect(await patient(await sign({ nbf: nowSeconds() + 600 }))).toBeUndefined()
  })

  test('is not believed when any character of it was changed', async () => {
    const token = await sign({ sub: 'anna' })
    for (const index of [0, 5, token.indexOf('.') + 3, token.length - 3]) {
      const other = token[index] === 'A' ? 'B' : 'A'
      expect(await verify(token.slice(0, index) + other + token.slice(index + 1))).toBeUndefined()
    }
  })

  test('is not believed without a signature', async () => {
    expect(await verify(new UnsecuredJWT({ sub: 'anna' }).encode())).toBeUndefined()
    const [header, payload] = (await sign({ sub: 'anna' })).split('.')
    expect(await verify(`${String(header)}.${String(payload)}.`)).toBeUndefined()
  })

  test('is not believed with another algorithm of the same secret', async () => {
    const key = Buffer.alloc(64, SECRET)
    expect(await verifier({ authSecret: key.toString() })(await sign({}, { alg: 'HS512', key }))).toBeUndefined()
  })

  test.each([
    ['a text', 'news'],
    ['null', null],
    ['a list with something else in it', ['news', 7]],
    ['an object', { 0: 'news' }],
  ])('is not believed when its channels are %s: what it allows would be a guess', async (_name, channels) => {
    expect(await verify(await sign({ sub: 'anna', channels }))).toBeUndefined()
  })

  test('is for no channel when its list is empty', async () => {
    expect(await verify(await sign({ channels: [] }))).toMatchObject({ channels: [] })
  })

  test('whatever it is, is an answer and never a rejection', async () => {
    const parts = (await sign({ sub: 'anna' })).split('.') as [string, string, string]
    const part = fc.oneof(
      fc.constantFrom(...parts, ''),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.json().map((json) => Buffer.from(json).toString('base64url')),
      fc.constantFrom(
        ...[
          { alg: 'HS256', crit: ['b64'], b64: false },
          { alg: 'dir', enc: 'A128GCM' },
          { alg: 'HS256', zip: 'DEF' },
        ].map((header) => Buffer.from(JSON.stringify(header)).toString('base64url')),
      ),
    )
    const token = fc.oneof(
      fc.array(part, { minLength: 1, maxLength: 6 }).map((all) => all.join('.')),
      fc.string({ unit: 'binary' }),
    )
    await fc.assert(
      fc.asyncProperty(token, async (text) => {
        if (text !== parts.join('.')) expect(await verify(text)).toBeUndefined()
      }),
      { numRuns: 500 },
    )
  })

  test('of 8193 characters or more is not looked at', async () => {
    const padded = async (length: number): Promise<string> => sign({ sub: 'anna', pad: 'p'.repeat(length) })
    expect((await padded(6000)).length).toBeLessThan(8192)
    expect(await verify(await padded(6000))).toBeDefined()
    expect(await verify(await padded(7000))).toBeUndefined()
  })
})

describe('issuer and audience', () => {
  const verify = verifier({ authSecret: SECRET, authIssuer: 'us', authAudience: 'chat' })

  test.each([
    ['both as asked for', { iss: 'us', aud: 'chat' }, true],
    ['the audience among others', { iss: 'us', aud: ['mail', 'chat'] }, true],
    ['another issuer', { iss: 'them', aud: 'chat' }, false],
    ['another audience', { iss: 'us', aud: 'mail' }, false],
    ['no issuer', { aud: 'chat' }, false],
    ['no audience', { iss: 'us' }, false],
  ])('%s', async (_name, payload, isBelieved) => {
    expect((await verify(await sign(payload))) !== undefined).toBe(isBelieved)
  })
})

describe('a public key as PEM', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ec384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const ed = generateKeyPairSync('ed25519')

  test.each([
    ['RS256', rsa],
    ['RS512', rsa],
    ['PS256', rsa],
    ['ES256', ec],
    ['ES384', ec384],
    ['EdDSA', ed],
  ])('verifies %s', async (alg, { publicKey, privateKey }) => {
    const verify = verifier({ authPublicKey: pem(publicKey) })
    expect(await verify(await sign({ sub: 'anna' }, { alg, key: privateKey }))).toMatchObject({ subject: 'anna' })
  })

  test.each([
    ['RS256', rsa, generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES256', ec, generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['EdDSA', ed, generateKeyPairSync('ed25519')],
  ])('does not believe another key with %s', async (alg, { publicKey }, { privateKey }) => {
    const verify = verifier({ authPublicKey: pem(publicKey) })
    expect(await verify(await sign({ sub: 'anna' }, { alg, key: privateKey }))).toBeUndefined()
  })

  test('is never taken for a shared secret, though everybody knows it', async () => {
    for (const { publicKey } of [rsa, ec, ed]) {
      const text = pem(publicKey)
      const verify = verifier({ authPublicKey: text })
      for (const key of [Buffer.from(text), Buffer.from(text.trim())]) {
        expect(await verify(await sign({ sub: 'anna' }, { key }))).toBeUndefined()
      }
    }
  })

  test('of one kind does not reject, but not believe, a token of another kind', async () => {
    const tokens = await Promise.all([
      sign({}, { alg: 'RS256', key: rsa.privateKey }),
      sign({}, { alg: 'ES256', key: ec.privateKey }),
      sign({}, { alg: 'ES384', key: ec384.privateKey }),
      sign({}, { alg: 'EdDSA', key: ed.privateKey }),
      sign({}),
    ])
    const verifiers = [rsa, ec, ec384, ed].map(({ publicKey }) => verifier({ authPublicKey: pem(publicKey) }))
    for (const [own, verify] of verifiers.entries()) {
      for (const [index, token] of tokens.entries()) expect((await verify(token)) !== undefined).toBe(index === own)
    }
  })
})

describe('the keys that the issuer publishes', () => {
  const first = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const second = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  let keys: object[]
  beforeAll(async () => {
    keys = [
      { ...(await exportJWK(first.publicKey)), kid: 'first', alg: 'RS256', use: 'sig' },
      { ...(await exportJWK(second.publicKey)), kid: 'second', alg: 'ES256', use: 'sig' },
    ]
  })

  async function publish(
    answer: () => { status: number; body: string },
  ): Promise<{ url: string; asked: () => number }> {
    let asked = 0
    const server = createServer((_request, response) => {
      asked++
      const { status, body } = answer()
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
      asked: () => asked,
    }
  }

  test('verify the tokens that name them, and are fetched once', async () => {
    const { url, asked } = await publish(() => ({ status: 200, body: JSON.stringify({ keys }) }))
    const verify = verifier({ authJwksUrl: url })
    expect(asked()).toBe(0)
    const rs = await sign({ sub: 'anna' }, { alg: 'RS256', kid: 'first', key: first.privateKey })
    const es = await sign({ sub: 'bob' }, { alg: 'ES256', kid: 'second', key: second.privateKey })
    expect(await Promise.all([verify(rs), verify(es)])).toMatchObject([{ subject: 'anna' }, { subject: 'bob' }])
    expect(asked()).toBe(1)
  })

  test('do not verify a token of a key that is not among them, of a wrong name, or of a shared secret', async () => {
    const { url } = await publish(() => ({ status: 200, body: JSON.stringify({ keys }) }))
    const verify = verifier({ authJwksUrl: url })
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    for (const signing of [
      { alg: 'RS256', kid: 'first', key: stranger },
      { alg: 'RS256', kid: 'third', key: first.privateKey },
      { alg: 'ES256', kid: 'first', key: second.privateKey },
      { alg: 'HS256', kid: 'first', key: Buffer.from(pem(first.publicKey)) },
      { alg: 'HS256', kid: 'first', key: Buffer.from(JSON.stringify(keys[0])) },
    ]) {
      expect(await verify(await sign({ sub: 'anna' }, signing))).toBeUndefined()
    }
  })

  test('are fetched again after a failure', async () => {
    let status = 503
    const { url } = await publish(() => ({ status, body: JSON.stringify({ keys }) }))
    const verify = verifier({ authJwksUrl: url })
    const token = await sign({ sub: 'anna' }, { alg: 'RS256', kid: 'first', key: first.privateKey })
    expect(await verify(token)).toBe('unavailable')
    status = 200
    expect(await verify(token)).toMatchObject({ subject: 'anna' })
  })
})
