/**
 * deploy/compose: parsed, and its numbers against each other, HAProxy's file and the server's configuration.
 */
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../packages/server/src/config/load-config.js'
import { read, seconds, unknownVariables, wordAfter } from './settings.js'

interface Service {
  readonly environment: Readonly<Record<string, string | number>>
  readonly stop_grace_period: string
  readonly volumes: readonly string[]
  readonly networks: { readonly default: { readonly ipv4_address: string } }
}

interface Compose {
  readonly services: Readonly<Record<'a' | 'b' | 'proxy', Service>>
  readonly volumes: object
}

const { services, volumes } = parse(read('compose/compose.yaml'), { merge: true }) as Compose
const { a, b, proxy } = services

const AUTH_SECRET = 'in place of the one that is in .env'
const env = (service: Service): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(service.environment).map(([name, value]) => [name, String(value)])),
  BUILD: '1',
  AUTH_SECRET,
})

test('two instances differ by nothing but their address', () => {
  expect({ ...a, networks: undefined }).toEqual({ ...b, networks: undefined })
  expect(a.networks.default.ipv4_address).not.toBe(b.networks.default.ipv4_address)
})

test('they share the volume in which the journal is', () => {
  expect(a.volumes).toEqual(['journal:/data'])
  expect(Object.keys(volumes)).toEqual(['journal'])
  expect(a.environment['JOURNAL_URL']).toMatch(/^file:\/data\//)
})

test('their configuration is one, and a shutdown fits into what Docker grants', () => {
  expect(unknownVariables(Object.keys(a.environment))).toEqual([])
  const result = loadConfig({ env: env(a) })
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  const { shutdownTimeoutSeconds, closeTimeoutSeconds, terminationGraceSeconds } = result.config
  expect(seconds(a.stop_grace_period)).toBe(terminationGraceSeconds)
  expect(terminationGraceSeconds).toBeGreaterThan(shutdownTimeoutSeconds + closeTimeoutSeconds)
  expect(result.config.trustProxy).toEqual([proxy.networks.default.ipv4_address])
  expect(result.config.rejectWith).toBe('http')
})

test('newcomers are served until the proxy has noticed', () => {
  const haproxy = read('haproxy/haproxy.cfg')
  const inter = seconds(wordAfter(haproxy, 'default-server check inter'))
  const fall = Number(/ fall (\d+)/.exec(haproxy)?.[1])
  const noticedSeconds = inter * fall + seconds(wordAfter(haproxy, 'timeout check'))
  expect(seconds(String(a.environment['SHUTDOWN_DELAY']))).toBeGreaterThanOrEqual(noticedSeconds)
})

test('the proxy knows them, by addresses that stay', () => {
  expect(proxy.environment['LASTCALL_A']).toBe(`${a.networks.default.ipv4_address}:8000`)
  expect(proxy.environment['LASTCALL_B']).toBe(`${b.networks.default.ipv4_address}:8000`)
  const haproxy = read('haproxy/haproxy.cfg')
  for (const name of Object.keys(proxy.environment)) expect(haproxy).toContain(`presetenv ${name} `)
})
