/**
 * The real command: its output and its exit codes.
 */
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { VARIABLES } from '../../src/config/schema.js'

/** The file that npm links as `lastcall`. */
const COMMAND = fileURLToPath(new URL('../../bin/lastcall.js', import.meta.url))
const SECRET = 'a secret of more than thirty-two bytes'
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

interface Outcome {
  readonly code: unknown
  readonly out: string
  readonly err: string
}

const lastcall = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, ...args], { env }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, out, err })
    })
  })

describe('help', () => {
  test.each([['--help'], ['-h'], ['serve', '--help'], ['--port', '1', '--help']])('%s %s', async (...args) => {
    const { code, out, err } = await lastcall(args)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^lastcall \d+\.\d+\.\d+/)
    for (const { flag } of VARIABLES) expect(out).toContain(`\n  --${flag} `)
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
  })
})

test.each(['18.20.4', '20.18.3', '16.0.0'])('the command rejects Node.js %s in one sentence', async (version) => {
  // The command reads the version only from `process.versions`, which the test replaces.
  const pretended = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
  const args = ['--import', `data:text/javascript,${encodeURIComponent(pretended)}`, COMMAND, '--version']
  const outcome = await new Promise((resolve) => {
    execFile(process.execPath, args, { env: {} }, (error, out, err) => resolve({ code: error?.code ?? 0, out, err }))
  })
  const err = `lastcall: Node.js ${version} is too old: install Node.js 20.19 or newer.\n`
  expect(outcome).toEqual({ code: 1, out: '', err })
})

test.each(['--version', '-V'])('%s prints the version alone', async (flag) => {
  expect(await lastcall([flag])).toEqual({ code: 0, out: `${version}\n`, err: '' })
})

test('the installed command runs by itself, with flags that keep its memory small', () => {
  expect(readFileSync(COMMAND, 'utf8')).toMatch(
    /^#!\/usr\/bin\/env -S node --max-semi-space-size=4 --heap-growing-percent=100\n/,
  )
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` }
  expect(execFileSync(COMMAND, ['--version'], { env, encoding: 'utf8' })).toBe(`${version}\n`)
})

describe('check', () => {
  test('prints every variable with its value and the source of the value', async () => {
    const { code, out, err } = await lastcall(['check', '--port', '9000'], {
      SHUTDOWN_TIMEOUT: '5m',
      LOG_LEVEL: 'WARNING',
    })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^PORT +9000 +flag$/m)
    expect(out).toMatch(/^SHUTDOWN_TIMEOUT +300 s +environment$/m)
    expect(out).toMatch(/^LOG_LEVEL +warn +environment$/m)
    expect(out).toMatch(/^BROADCAST_INTERVAL +10 s +default$/m)
    for (const { name } of VARIABLES) expect(out).toMatch(new RegExp(`^${name} `, 'm'))
  })

  test('prints no secret', async () => {
    const { code, out } = await lastcall(['check'], { AUTH_SECRET: SECRET, SESSION_SECRET: SECRET })
    expect(code).toBe(0)
    expect(out).toMatch(/^AUTH_SECRET +\(set\) +environment$/m)
    expect(out).not.toContain(SECRET)
  })
})

describe('a configuration that is not valid', () => {
  test.each([[[]], [['serve']], [['check']], [['token', '--sub', 'anna']]])(
    'makes %j exit with 78 and print all problems on standard error',
    async (args) => {
      const env = { PORT: 'http', LOCALE: 'de', JOURNAL_URL: 'amqp:/host', AUTH_SECRET: 'hunter2' }
      const { code, out, err } = await lastcall([...args, '--shutdown-timout', '5'], env)
      expect({ code, out }).toEqual({ code: 78, out: '' })
      expect(err).toContain('PORT="http": must be a whole number from 0 to 65535\n')
      expect(err).toContain('LOCALE="de": must be uk or en\n')
      expect(err).toContain('JOURNAL_URL=amqp:/host: must be memory:, file:PATH, redis://HOST or amqp://HOST\n')
      expect(err).toContain('AUTH_SECRET=(hidden, 7 bytes): must be at least 32 bytes long')
      expect(err).toContain('--shutdown-timout: is not a flag. Did you mean --shutdown-timeout?\n')
      expect(err.trimEnd().split('\n')).toHaveLength(5)
      expect(err).not.toContain('hunter2')
    },
  )
})

test('an unknown command exits with 64 and a suggestion', async () => {
  const { code, err } = await lastcall(['chek'])
  expect(code).toBe(64)
  expect(err).toContain('chek is not a command. Did you mean check?')
})

describe('token', () => {
  test('prints a token that AUTH_SECRET verifies', async () => {
    const { code, out, err } = await lastcall(['token', '--sub', 'anna', '--ttl', '2h'], { AUTH_SECRET: SECRET })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const { payload, protectedHeader } = await jwtVerify(out.trim(), Buffer.from(SECRET))
    expect(protectedHeader.alg).toBe('HS256')
    expect(payload.sub).toBe('anna')
    expect(Number(payload.exp) - Number(payload.iat)).toBe(7_200)
    expect(payload).not.toHaveProperty('channels')
  })

  test('has the requested issuer, audience and channels, and lasts an hour', async () => {
    const env = { AUTH_SECRET: SECRET, AUTH_ISSUER: 'us', AUTH_AUDIENCE: 'them' }
    const { out } = await lastcall(['token', '--sub', 'anna', '--channels', 'a,b'], env)
    const { payload } = await jwtVerify(out.trim(), Buffer.from(SECRET), { issuer: 'us', audience: 'them' })
    expect(payload['channels']).toEqual(['a', 'b'])
    expect(Number(payload.exp) - Number(payload.iat)).toBe(3_600)
  })

  test('cannot be created without AUTH_SECRET', async () => {
    const { code, out, err } = await lastcall(['token', '--sub', 'anna'])
    expect({ code, out }).toEqual({ code: 78, out: '' })
    expect(err).toContain('AUTH_SECRET: must be set')
  })

  test('is not created for an invalid name or time', async () => {
    const args = ['token', '--sub', 'anna maria', '--ttl', 'ever', '--channels', 'a b']
    const { code, out, err } = await lastcall(args, { AUTH_SECRET: SECRET })
    expect({ code, out }).toEqual({ code: 64, out: '' })
    expect(err.split('\n').map((line) => /--\w+/.exec(line)?.[0])).toEqual(['--sub', '--ttl', '--channels', undefined])
  })
})
