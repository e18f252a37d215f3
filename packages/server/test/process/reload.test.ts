/**
 * SIGHUP to the command in one process: the server reads TLS files and the keys of tokens again, and ends no connection.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { CA, certFile, keyFile, shownAt, type Certificate } from '../support/certificates.js'
import { Command } from '../support/command.js'
import { TestClient } from '../support/test-client.js'
import { removeFolder } from '../support/remove-folder.js'

const OLD_SECRET = 'the old secret of more than thirty-two bytes'
const NEW_SECRET = 'the new secret of more than thirty-two bytes'

let folder: string
let ENV_FILE: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastcall-reload-'))
  ENV_FILE = join(folder, 'lastcall.env')
  onTestFinished(() => removeFolder(folder))
})

const token = (secret: string): Promise<string> =>
  new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject('anna').sign(Buffer.from(secret))

/** The result for a client with a token of this secret: accepted, or closed with a code. */
async function admitted(command: Command, secret: string): Promise<boolean> {
  const client = await TestClient.connect(`${command.webSocketUrl}/anna?token=${await token(secret)}`)
  const isIn = await client.first('welcome').then(
    () => true,
    () => false,
  )
  await client.leave()
  return isIn
}

/** Signals and waits until so many reloads have come to this end. */
async function reloaded(command: Command, event: 'reload.done' | 'reload.failed') {
  const before = command.lines.filter((line) => line.event === event).length
  command.signal('SIGHUP')
  return command.logged(event, (line) => command.lines.filter((each) => each.event === event).indexOf(line) === before)
}

test('the keys of tokens change for new clients, connected clients stay, and the log names changes that need a restart', async () => {
  writeFileSync(ENV_FILE, `AUTH_SECRET=${OLD_SECRET}\nBUILD=1\n`)
  const command = await Command.serving({ ENV_FILE })
  const anna = await TestClient.connect(`${command.webSocketUrl}/anna?token=${await token(OLD_SECRET)}`)
  await anna.first('welcome')
  expect(await admitted(command, NEW_SECRET)).toBe(false)

  writeFileSync(ENV_FILE, `AUTH_SECRET=${NEW_SECRET}\nBUILD=2\n`)
  expect(await reloaded(command, 'reload.done')).toMatchObject({ renewed: ['AUTH_SECRET'], needRestart: ['BUILD'] })
  expect(await anna.publish('still here')).toBeGreaterThan(0)
  await anna.leave()
  expect(await admitted(command, OLD_SECRET)).toBe(false)
  expect(await admitted(command, NEW_SECRET)).toBe(true)
  expect(JSON.stringify(command.lines)).not.toContain('secret of more')

  command.signal('SIGTERM')
  expect(await command.exited).toEqual({ code: 0, signal: null })
})

test('a reload of a broken file is logged and changes nothing', async () => {
  writeFileSync(ENV_FILE, `AUTH_SECRET=${OLD_SECRET}\n`)
  const command = await Command.serving({ ENV_FILE })
  writeFileSync(ENV_FILE, `AUTH_SECRET=short\nLOCALE=de\n`)
  const { problems } = await reloaded(command, 'reload.failed')
  expect(problems).toEqual([
    expect.stringMatching(/^LOCALE in ENV_FILE="de": must be/),
    expect.stringMatching(/^AUTH_SECRET in ENV_FILE=\(hidden, 5 bytes\): must be/),
  ])
  expect(await admitted(command, OLD_SECRET)).toBe(true)

  rmSync(ENV_FILE)
  expect((await reloaded(command, 'reload.failed'))['problems']).toEqual([
    expect.stringMatching(/^ENV_FILE=.*cannot be read/),
  ])
  expect(await admitted(command, OLD_SECRET)).toBe(true)
})

test('new connections get the new certificate, and the server rejects a broken one', async () => {
  const files = { TLS_CERT: join(folder, 'cert.pem'), TLS_KEY: join(folder, 'key.pem') }
  const put = (of: Certificate): void => {
    copyFileSync(certFile(of), files.TLS_CERT)
    copyFileSync(keyFile(of), files.TLS_KEY)
  }
  put('first')
  const command = await Command.serving(files)
  const anna = await command.connect('anna', { ca: CA })
  expect(await shownAt(command.port)).toBe('first')

  put('second')
  expect(await reloaded(command, 'reload.done')).toMatchObject({ renewed: ['TLS_CERT', 'TLS_KEY'] })
  expect(await shownAt(command.port)).toBe('second')

  copyFileSync(certFile('first'), files.TLS_CERT)
  expect((await reloaded(command, 'reload.failed'))['problems']).toEqual([
    expect.stringMatching(/^TLS_KEY=.*belongs to another one$/),
  ])
  expect(await shownAt(command.port)).toBe('second')
  expect(await anna.publish('still here')).toBeGreaterThan(0)
})

test('TLS files that do not match are a problem of the configuration at the start: exit code 78', async () => {
  const command = Command.start({ TLS_CERT: certFile('first'), TLS_KEY: keyFile('second') })
  expect(await command.exited).toEqual({ code: 78, signal: null })
  expect(command.other).toEqual([expect.stringMatching(/^lastcall: TLS_KEY=.*belongs to another one$/)])
})

test('a misspelt variable in ENV_FILE causes a warning at the start', async () => {
  writeFileSync(ENV_FILE, 'SHUTDOWN_TIMOUT=5\n')
  const command = await Command.serving({ ENV_FILE })
  expect((await command.logged('config'))['msg']).toContain('Did you mean SHUTDOWN_TIMEOUT?')
})
