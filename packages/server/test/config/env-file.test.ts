/** ENV_FILE: its content, the sources that take precedence over it, and the warnings about it. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.js'
import { formatProblem } from '../../src/config/problems.js'
import { removeFolder } from '../support/remove-folder.js'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastcall-env-'))
  file = join(folder, 'lastcall.env')
})

afterEach(() => removeFolder(folder))

function load(content: string, env: Readonly<Record<string, string>> = {}, argv: readonly string[] = []) {
  writeFileSync(file, content)
  return loadConfig({ env: { ENV_FILE: file, ...env }, argv })
}

function loaded(...args: Parameters<typeof load>) {
  const result = load(...args)
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'))
  return result
}

function problems(...args: Parameters<typeof load>): string[] {
  const result = load(...args)
  return result.ok ? [] : result.problems.map(formatProblem)
}

test('a flag wins over the environment, which wins over the file, which wins over the default', () => {
  const { config, sources } = loaded('PORT=1\nHOST=::1\nLOCALE=en\n', { PORT: '2', HOST: '::2' }, ['--port', '3'])
  expect(config).toMatchObject({ port: 3, host: '::2', locale: 'en', maxConnections: 10_000 })
  expect(sources).toMatchObject({ port: 'flag', host: 'environment', locale: 'file', maxConnections: 'default' })
})

test('the file may contain quotes, comments and values over several lines', () => {
  const pem = '-----BEGIN PUBLIC KEY-----\nrubbish\n-----END PUBLIC KEY-----'
  const content = `# a comment\nexport BUILD="7 # seven"\nLOCALE = en # English\n\nAUTH_PUBLIC_KEY="${pem}"\n`
  expect(problems(content)).toEqual([
    expect.stringContaining('AUTH_PUBLIC_KEY in ENV_FILE=(not shown): must be a public key'),
    expect.stringContaining('BUILD in ENV_FILE="7 # seven": must be'),
  ])
})

test('the file replaces an empty variable of the environment, and an empty variable of the file counts as unset', () => {
  const { config, sources } = loaded('LOCALE=en\nPORT=\n', { LOCALE: '' })
  expect(config).toMatchObject({ locale: 'en', port: 8000 })
  expect(sources.port).toBe('default')
})

test('a flag can name the file', () => {
  writeFileSync(file, 'LOCALE=en\n')
  const result = loadConfig({ env: {}, argv: ['--env-file', file] })
  expect(result).toMatchObject({ ok: true, config: { locale: 'en' }, sources: { envFile: 'flag', locale: 'file' } })
})

test('a file that cannot be read is a problem of the configuration', () => {
  const missing = join(folder, 'missing.env')
  expect(problems('', { ENV_FILE: missing })).toEqual([
    expect.stringMatching(/^ENV_FILE=".*missing\.env": cannot be read: ENOENT/),
  ])
})

test('a problem shows no secret of the file', () => {
  expect(problems('AUTH_SECRET=hunter2\n').join()).toMatch(/^AUTH_SECRET in ENV_FILE=\(hidden, 7 bytes\): /)
})

test('the server does not read a file that the file names', () => {
  expect(loaded('ENV_FILE=/nowhere\n').config.envFile).toBe(file)
})

test('names that are no variables are ignored, but a misspelt variable causes a warning', () => {
  const others = 'HOME=/root\nPOST=1\nPATH=/bin\nDATABASE_URL=x\nNODE_ENV=production\nLOG_FORMATTER=x\n'
  expect(loaded(others).warnings).toEqual([])
  expect(loaded('SHUTDOWN_TIMOUT=5\nAUTH_SECRETS=x\nWORKER=2\n').warnings).toEqual([
    'AUTH_SECRETS is not a variable and is ignored. Did you mean AUTH_SECRET?',
    'SHUTDOWN_TIMOUT is not a variable and is ignored. Did you mean SHUTDOWN_TIMEOUT?',
    'WORKER is not a variable and is ignored. Did you mean WORKERS?',
  ])
})

test('a byte order mark at the start is not part of the first name', () => {
  const secret = 'a secret that is longer than thirty-two bytes'
  expect(loaded(`\uFEFFAUTH_SECRET=${secret}\nPORT=1\n`).config).toMatchObject({ authSecret: secret, port: 1 })
})

test.each([
  ['UTF-16', Buffer.from('\uFEFFPORT=1\n', 'utf16le')],
  ['UTF-16 (big endian)', Buffer.from('\uFEFFPORT=1\n', 'utf16le').swap16()],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x50, 0, 0, 0])],
  ['zero bytes', Buffer.from('PORT=1\n', 'utf16le')],
  ['not valid UTF-8', Buffer.from('BUILD=caf\xe9\n', 'latin1')],
])('a file in another encoding (%s) is refused: what it sets would be ignored', (encoding, content) => {
  writeFileSync(file, content)
  const result = loadConfig({ env: { ENV_FILE: file } })
  const [problem = ''] = result.ok ? [] : result.problems.map(formatProblem)
  expect(problem).toContain(`ENV_FILE=${JSON.stringify(file)}: `)
  expect(problem).toContain(encoding)
  expect(problem).toContain('save it in UTF-8')
})
