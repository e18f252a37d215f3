/** How the server cleans a secret from a file, and which keys it rejects at its start. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.js'
import { formatProblem } from '../../src/config/problems.js'

const SECRET = 'a secret with more than thirty-two bytes'

function problemsOf(env: Readonly<Record<string, string>>): string[] {
  const result = loadConfig({ env })
  return result.ok ? [] : result.problems.map(formatProblem)
}

describe('a secret', () => {
  test.each([`${SECRET}\n`, `${SECRET}\r\n`, `${SECRET}\n\n`, `\uFEFF${SECRET}`])(
    'is trimmed of the whitespace of its file, with a warning: %j',
    (given) => {
      const result = loadConfig({ env: { AUTH_SECRET: given, ADMIN_TOKEN: 'sixteen bytes or more' } })
      expect(result).toMatchObject({ ok: true, config: { authSecret: SECRET, adminToken: 'sixteen bytes or more' } })
      expect(result.ok && result.warnings).toEqual([expect.stringMatching(/^AUTH_SECRET: .*line breaks after it$/)])
      expect(JSON.stringify(result.ok && result.warnings)).not.toContain(SECRET)
    },
  )

  test('keeps blanks, which may belong to it', () => {
    const result = loadConfig({ env: { AUTH_SECRET: ` ${SECRET} ` } })
    expect(result).toMatchObject({ ok: true, config: { authSecret: ` ${SECRET} ` }, warnings: [] })
  })

  test('that is only a line break is a problem, because the user did not mean to unset it', () => {
    expect(problemsOf({ AUTH_SECRET: '\n' })).toEqual([
      expect.stringMatching(/^AUTH_SECRET=\(hidden, 1 bytes\): must be/),
    ])
  })
})

describe('a public key for tokens', () => {
  const pem = ({ publicKey }: { publicKey: KeyObject }): string =>
    publicKey.export({ type: 'spki', format: 'pem' }).toString()

  test.each([
    ['an RSA key of 1024 bits, and must have at least 2048', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }))],
    ['an RSA key of 1536 bits', pem(generateKeyPairSync('rsa-pss', { modulusLength: 1536 }))],
    ['a key on the curve secp256k1', pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }))],
    ['a key of type ed448', pem(generateKeyPairSync('ed448'))],
    ['a key of type x25519', pem(generateKeyPairSync('x25519'))],
  ])('that no token can be checked with is refused at the start: %s', (why, key) => {
    expect(problemsOf({ AUTH_PUBLIC_KEY: key })).toEqual([
      expect.stringContaining(`AUTH_PUBLIC_KEY=(not shown): is ${why}`),
    ])
  })

  test.each([
    ['RSA of 2048 bits', pem(generateKeyPairSync('rsa', { modulusLength: 2048 }))],
    ['P-384', pem(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }))],
    ['Ed25519', pem(generateKeyPairSync('ed25519'))],
  ])('of a kind that fits is taken: %s', (_, key) => {
    expect(problemsOf({ AUTH_PUBLIC_KEY: `\uFEFF${key}` })).toEqual([])
  })
})
