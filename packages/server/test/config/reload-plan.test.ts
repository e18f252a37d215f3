/** Which changes of the configuration a running process applies. */
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.js'
import { planReload } from '../../src/config/reload-plan.js'
import type { Config } from '../../src/config/schema.js'

const [SECRET, OTHER] = ['a secret of more than thirty-two bytes', 'another secret of more than 32 bytes']

function config(env: Readonly<Record<string, string>>): Config {
  const result = loadConfig({ env })
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.config
}

test('nothing has changed', () => {
  const before = config({ ALLOWED_ORIGINS: 'https://a.example' })
  expect(planReload(before, config({ ALLOWED_ORIGINS: 'https://a.example' }))).toEqual({
    config: before,
    renewed: [],
    needRestart: [],
  })
})

test('a reload applies changed keys of tokens of every kind, and names the other changed variables', () => {
  const before = config({ AUTH_SECRET: SECRET, AUTH_ISSUER: 'us' })
  const after = config({ AUTH_JWKS_URL: 'https://keys.example', AUTH_AUDIENCE: 'them', PORT: '1', BUILD: '2' })
  expect(planReload(before, after)).toEqual({
    config: {
      ...before,
      authSecret: undefined,
      authIssuer: undefined,
      authJwksUrl: 'https://keys.example',
      authAudience: 'them',
    },
    renewed: ['AUTH_JWKS_URL', 'AUTH_AUDIENCE'],
    needRestart: ['PORT', 'BUILD'],
  })
})

test('an open server can begin to require tokens', () => {
  expect(planReload(config({}), config({ AUTH_SECRET: SECRET }))).toMatchObject({
    config: { authSecret: SECRET },
    renewed: ['AUTH_SECRET'],
  })
})

test('a reload that would end the requirement of tokens is a problem', () => {
  const before = config({ AUTH_SECRET: SECRET })
  expect(planReload(before, config({}))).toEqual({ config: before, renewed: [], needRestart: ['AUTH_SECRET'] })
})

test('a reload reads TLS files again even under the same names, and does not turn TLS on or off', () => {
  const plain = config({})
  const tls = { ...plain, tlsCert: 'cert.pem', tlsKey: 'key.pem' }
  expect(planReload(tls, tls)).toEqual({ config: tls, renewed: ['TLS_CERT', 'TLS_KEY'], needRestart: [] })
  const moved = { ...tls, tlsCert: 'other.pem' }
  expect(planReload(tls, moved)).toMatchObject({ config: moved, needRestart: [] })
  expect(planReload(plain, tls)).toEqual({ config: plain, renewed: [], needRestart: ['TLS_CERT', 'TLS_KEY'] })
  expect(planReload(tls, plain)).toEqual({ config: tls, renewed: [], needRestart: ['TLS_CERT', 'TLS_KEY'] })
})

test('a reload compares with the configuration that the last reload applied', () => {
  const { config: current } = planReload(config({ AUTH_SECRET: SECRET }), config({ AUTH_SECRET: OTHER }))
  expect(planReload(current, config({ AUTH_SECRET: OTHER }))).toMatchObject({ needRestart: [] })
})
