/**
 * README.md in a fresh checkout: the test runs every snippet unchanged, each in a terminal of its own while the earlier ones
 * still run. README.uk.md has the same commands and the same programs.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { find, lacks } from '../../packages/server/test/support/programs.js'
import { freePorts } from '../../packages/server/test/support/free-port.js'
import { copyCheckout, snippetsOf, Terminal } from '../support/first-hour.js'
import { lacksRegistry, ROOT, temporaryFolder } from '../support/packages.js'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'

const commands = snippetsOf('README.md', 'sh')
const READMES = { 'README.md': 'olena published Hello', 'README.uk.md': 'olena публікує: Привіт' }

/** The purpose of each command, in order. A new command needs a test here. */
const STARTS = [
  'npm ci && npm start\n',
  'npx wscat -c ws://localhost:8000/ws/anna\n',
  'npx wscat -s lastcall.v1 -c ws://localhost:8000/ws/borys\n',
  'packages/server/bin/lastcall.js --port 8003',
  'SHUTDOWN_TIMEOUT=5m npx lastcall check --port 9000\n',
  'export AUTH_SECRET=',
  'export AUTH_SECRET=',
  'npm run build && mkdir -p ../my-project\n',
  'npm ci && npm test\n',
]

test('both languages have the commands that are tested here', () => {
  expect(commands.map((command, index) => command.startsWith(STARTS[index] ?? '?'))).toEqual(STARTS.map(() => true))
  const withoutComments = (texts: string[]): string[] => texts.map((text) => text.replaceAll(/ +#.*$/gm, ''))
  expect(withoutComments(snippetsOf('README.uk.md', 'sh'))).toEqual(withoutComments(commands))
  for (const readme of Object.keys(READMES)) expect(snippetsOf(readme, 'js')).toHaveLength(2)
})

const isSkipped = lacks('curl', find('curl')) || (await lacksRegistry())

describe.skipIf(isSkipped)('the first hour', () => {
  const place = temporaryFolder('first-hour')
  const checkout = join(place, 'lastcall')
  const project = join(place, 'my-project')
  const terminals: Terminal[] = []
  let ports: ReadonlyMap<string, string> = new Map()
  let server: Terminal

  /** The documented ports may be in use on this machine: the test replaces each by a free one. */
  const local = (text: string): string =>
    text.replaceAll(/\b800[0-4]\b/g, (documented) => ports.get(documented) ?? documented)

  function paste(script: string, cwd = checkout): Terminal {
    const terminal = Terminal.run(local(script), cwd, { PORT: ports.get('8000') ?? '', LOG_FORMAT: 'json' })
    terminals.push(terminal)
    return terminal
  }

  function program(code: string, folder: string, name: string): Terminal {
    writeFileSync(join(folder, name), local(code))
    return paste(`exec node ${name}`, folder)
  }

  beforeAll(async () => {
    copyCheckout(checkout)
    const documented = ['8000', '8001', '8002', '8003', '8004']
    const free = await freePorts(documented.length)
    ports = new Map(documented.map((port, index) => [port, String(free[index])]))
    server = paste(commands[0] ?? '')
    await server.shows('"event":"listening"')
  }, 600_000)

  afterAll(async () => {
    for (const terminal of terminals) terminal.signal('SIGKILL')
    await Promise.all(terminals.map((terminal) => terminal.ended()))
    removeFolder(place)
  }, 120_000)

  test('npm ci and npm start print no warning of npm, and report the build', () => {
    expect(server.output).not.toMatch(/npm warn|EBADENGINE|deprecated/i)
    expect(server.output).toContain('Building lastcall')
    expect(server.output).toContain(local('"httpUrl":"http://localhost:8000/"'))
  })

  test.each(Object.entries(READMES))('the quick start of %s publishes and receives', async (readme, printed) => {
    const [code = ''] = snippetsOf(readme, 'js')
    const hello = program(code, checkout, 'hello.mjs')
    expect(await hello.ended()).toBe(0)
    expect(hello.output).toContain(printed)
  })

  test('wscat publishes any text, and messages of the protocol by lastcall.v1', async () => {
    const [anna, borys] = [paste(commands[1] ?? ''), paste(commands[2] ?? '')]
    await Promise.all([anna.shows('"type":"welcome"'), borys.shows('"type":"welcome"')])
    anna.type('Hello, is anybody here?')
    await anna.shows('"type":"ack"')
    const typed = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^> (\{.*\})$/gm)].map(
      ([, line = '']) => line,
    )
    expect(typed).toHaveLength(4)
    for (const line of typed) borys.type(line)
    await anna.shows('for you alone')
    await borys.shows('"type":"subscribed"')
    await borys.shows(/("type":"ack".*){3}/s)
    expect(borys.output).not.toContain('"type":"error"')
  })

  test('the deploy replaces both workers, and the server continues', async () => {
    const deploy = paste(`${commands[3] ?? ''}read -r; kill $!; wait $!`)
    await deploy.shows('"why":"reload"')
    deploy.type('')
    expect(await deploy.ended()).toBe(0)
    expect(deploy.output).not.toContain('"level":"error"')
  })

  test('check prints the resulting configuration', async () => {
    const check = paste(commands[4] ?? '')
    expect(await check.ended()).toBe(0)
    expect(check.output).toMatch(/^SHUTDOWN_TIMEOUT +300 s +environment$/m)
    expect(check.output).toMatch(/^PORT +9000 +flag$/m)
  })

  test('the server accepts a client with a token', async () => {
    await paste(commands[5] ?? '').shows('"event":"listening"')
    const dmytro = paste(commands[6] ?? '')
    await dmytro.shows('"clientId":"dmytro"')
  })

  describe('another project', () => {
    beforeAll(async () => {
      const packing = paste(commands[7] ?? '')
      expect(await packing.ended()).toBe(0)
      expect(packing.output).not.toMatch(/npm warn|EBADENGINE|deprecated/i)
    }, 300_000)

    test.each(Object.keys(READMES))('serves with the program of %s until a signal', async (readme) => {
      const served = program(snippetsOf(readme, 'js')[1] ?? '', project, 'server.mjs')
      await served.shows(local('ws://localhost:8001/ws'))
      served.signal('SIGTERM')
      expect(await served.ended()).toBe(0)
      expect(served.output).toContain('remaining: 0')
    })

    test.each(Object.keys(READMES))('runs all programs of %s as one program', async (readme) => {
      const whole = program(snippetsOf(readme, 'js').join('\n'), project, 'whole.mjs')
      await whole.shows(local('ws://localhost:8001/ws'))
      whole.signal('SIGTERM')
      expect(await whole.ended()).toBe(0)
      expect(whole.output).toContain('remaining: 0')
    })

    test('runs the program of docs/standalone.md', async () => {
      const [code = ''] = snippetsOf('docs/standalone.md', 'js')
      const standalone = program(`${code}\n`, project, 'standalone.mjs')
      const anna = await connected(local('ws://localhost:8002/anna'))
      const warned = new Promise((resolve) => anna.once('message', resolve))
      standalone.signal('SIGTERM')
      await warned
      anna.close()
      expect(await standalone.ended()).toBe(0)
      expect(standalone.output).toContain('remaining: 0')
    })
  })

  test('Ctrl-C ends the server of npm start', async () => {
    for (const terminal of terminals) if (terminal !== server) terminal.signal('SIGKILL')
    server.signal('SIGINT')
    await server.shows('press Ctrl-C again')
    await server.ended()
    expect(server.output).toContain('"event":"shutdown.closed"')
  })
})

/** Retries until a server listens. The time limit of the test ends it. */
async function connected(url: string): Promise<WebSocket> {
  const limit = { isOver: false }
  onTestFinished(() => void (limit.isOver = true))
  while (!limit.isOver) {
    const socket = new WebSocket(url)
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('open', () => resolve(true)).once('error', () => resolve(false))
    })
    if (isOpen) return socket
  }
  throw new Error(`nothing listens at ${url}`)
}
