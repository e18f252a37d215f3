/**
 * The test runs the examples as a user does.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../packages/server/test/support/free-port.js'
import { TestClient } from '../../packages/server/test/support/test-client.js'

test('a Fastify application serves lastcall beside its own routes, with its hooks', async () => {
  const port = await freePort()
  const application = spawn(process.execPath, [new URL('../../examples/embed/server.mjs', import.meta.url).pathname], {
    env: { ...process.env, PORT: String(port), JOURNAL_URL: 'memory:' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void application.kill('SIGKILL'))
  const lines = createInterface({ input: application.stdout })
  const said = (text: string): Promise<void> =>
    new Promise((resolve) => {
      lines.on('line', (line) => {
        if (line.includes(text)) resolve()
      })
    })
  const gone = said('anna has gone (1000)')
  await said('listening at')

  const url = `ws://127.0.0.1:${port}/chat`
  const [anna, bob, nobody] = await Promise.all([
    TestClient.connect(`${url}/anna`),
    TestClient.connect(`${url}/bob`),
    TestClient.connect(`${url}/nobody`),
  ])
  expect((await nobody.closed).code).toBe(1008)
  await bob.first('welcome')
  await anna.first('welcome')

  await anna.publish('darn it')
  expect((await bob.first('message')).data).toBe('**** it')
  anna.send({ type: 'message', data: 5, id: 'five' })
  expect(await anna.first('error')).toMatchObject({ code: 'forbidden', id: 'five' })

  const routes = await Promise.all(
    ['/', '/health'].map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).json()),
  )
  expect(routes).toEqual([{ hello: 'this is the application' }, expect.objectContaining({ activeConnections: 2 })])

  await anna.leave()
  await gone
  const ended = once(application, 'exit')
  application.kill('SIGTERM')
  await bob.first('shutdown')
  await bob.leave()
  expect(await ended).toEqual([0, null])
})
