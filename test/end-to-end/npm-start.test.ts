/**
 * `npm start`, as in README.md: npm forwards signals to its child, which must be the server and not a shell.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

test('SIGTERM to npm reaches the server, which warns its clients and ends', async () => {
  // Without the build of `prestart`, because other tests use the built files.
  const npm = spawn('npm', ['start', '--ignore-scripts'], {
    cwd: ROOT,
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', JOURNAL_URL: 'memory:', LOG_FORMAT: 'json' },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A process group of its own, so that a failing test leaves no process behind.
    detached: true,
  })
  onTestFinished(() => {
    try {
      process.kill(-(npm.pid ?? 0), 'SIGKILL')
    } catch {
      // The group has ended.
    }
  })
  const exited = new Promise((resolve) => npm.once('exit', resolve))
  const url = await new Promise<string>((resolve) => {
    createInterface({ input: npm.stdout }).on('line', (line) => {
      if (line.includes('"event":"listening"')) resolve((JSON.parse(line) as { webSocketUrl: string }).webSocketUrl)
    })
  })
  const client = new WebSocket(`${url}/anna`)
  const said = (type: string): Promise<void> =>
    new Promise((resolve) => {
      client.on('message', (data: Buffer) => {
        if ((JSON.parse(data.toString()) as { type: string }).type === type) resolve()
      })
    })
  const warned = said('shutdown')
  await said('welcome')
  npm.kill('SIGTERM')
  await warned
  client.close()
  // The pipe closes when the last process that holds it ends, so the server has ended, too.
  await Promise.all([exited, new Promise((resolve) => npm.stdout.once('close', resolve))])
  expect(client.readyState).toBeGreaterThanOrEqual(WebSocket.CLOSING)
})
