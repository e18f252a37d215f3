/**
 * deploy/compose: the file parses, and its numbers agree with each other, HAProxy's file and the server's configuration.
 */
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../packages/server/src/config/load-config.js'
import { read, seconds, unknownVariables, wordAfter } from './settings.js'

interface Service {
  readonly environment: Readonly<Record<string, string | number>>
  readonly stop_grace_period: string
  readonly networks: { readonly default: { readonly ipv4_address: string } }
}

interface Redis {
  readonly command: readonly string[]
  readonly volumes: readonly string[]
  readonly networks: { readonly default: { readonly ipv4_address: string } }
}

interface Compose {
  readonly services: Readonly<Record<'a' | 'b' | 'c' | 'proxy', Service>> & { readonly redis: Redis }
  readonly volumes: object
}

const { services, volumes } = parse(read('compose/compose.yaml'), { merge: true }) as Compose
const { a, b, c, proxy, redis } = services

/** The variables of `.env`. */
const SECRETS: Readonly<Record<string, string>> = {
  AUTH_SECRET: 'in place of the one that is in .env',
  REDIS_PASSWORD: 'in-place-of-the-one-that-is-in-.env',
  BUILD: '1',
}
const interpolated = (text: string): string =>
  text.replaceAll(/\$\{(\w+)[^}]*\}/g, (_, name: string) => SECRETS[name] ?? '')
const env = (service: Service): Record<string, string> =>
  Object.fromEntries(Object.entries(service.environment).map(([name, value]) => [name, interpolated(String(value))]))

test('the three instances differ only in their addresses', () => {
  const addresses = [a, b, c].map(({ networks }) => networks.default.ipv4_address)
  expect(new Set(addresses).size).toBe(3)
  for (const other of [b, c]) expect({ ...other, networks: undefined }).toEqual({ ...a, networks: undefined })
})

test('the instances share the journal in Redis, which keeps every acknowledged message on its volume', () => {
  const url = new URL(interpolated(String(a.environment['JOURNAL_URL'])))
  expect(url.hostname).toBe(redis.networks.default.ipv4_address)
  expect(url.password).toBe(SECRETS['REDIS_PASSWORD'])
  expect(redis.volumes).toEqual(['journal:/data'])
  expect(Object.keys(volumes)).toEqual(['journal'])
  const command = redis.command.map(interpolated)
  const setting = (name: string): string | undefined => command[command.indexOf(`--${name}`) + 1]
  expect(setting('appendonly')).toBe('yes')
  expect(setting('appendfsync')).toBe('always')
  expect(setting('maxmemory-policy')).toBe('noeviction')
  expect(setting('requirepass')).toBe(SECRETS['REDIS_PASSWORD'])
})

test('the configuration of an instance is valid, and a shutdown fits into the grace of Docker', () => {
  expect(unknownVariables(Object.keys(a.environment))).toEqual([])
  const result = loadConfig({ env: env(a) })
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  const { shutdownTimeoutSeconds, closeTimeoutSeconds, terminationGraceSeconds } = result.config
  expect(seconds(a.stop_grace_period)).toBe(terminationGraceSeconds)
  expect(terminationGraceSeconds).toBeGreaterThan(shutdownTimeoutSeconds + closeTimeoutSeconds)
  expect(result.config.trustProxy).toEqual([proxy.networks.default.ipv4_address])
  expect(result.config.rejectWith).toBe('http')
})

test('a draining instance accepts new clients until the proxy has detected the drain', () => {
  const haproxy = read('haproxy/haproxy.cfg')
  const inter = seconds(wordAfter(haproxy, 'default-server check inter'))
  const fall = Number(/ fall (\d+)/.exec(haproxy)?.[1])
  const noticedSeconds = inter * fall + seconds(wordAfter(haproxy, 'timeout check'))
  expect(seconds(String(a.environment['SHUTDOWN_DELAY']))).toBeGreaterThanOrEqual(noticedSeconds)
})

test('the proxy knows the instances by fixed addresses', () => {
  expect(proxy.environment['LASTCALL_A']).toBe(`${a.networks.default.ipv4_address}:8000`)
  expect(proxy.environment['LASTCALL_B']).toBe(`${b.networks.default.ipv4_address}:8000`)
  expect(proxy.environment['LASTCALL_C']).toBe(`${c.networks.default.ipv4_address}:8000`)
  const haproxy = read('haproxy/haproxy.cfg')
  for (const name of Object.keys(proxy.environment)) expect(haproxy).toContain(`presetenv ${name} `)
})
