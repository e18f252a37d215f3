/** The command with few file descriptors, and a client that tries to use all of them. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Command } from '../support/command.js'
import { temporaryFolder } from '../support/workers.js'

const LIMIT = 160

test('silent connections take no descriptor from probes, clients or the journal', { timeout: 180_000 }, async () => {
  const command = await Command.serving(
    { JOURNAL_URL: `file:${temporaryFolder()}/journal`, MAX_IDLE_HTTP: '1000' },
    { through: () => ['sh', '-c', `ulimit -n ${String(LIMIT)}; exec "$@"`, 'sh'] },
  )
  expect(await command.logged('config')).toMatchObject({ level: 'warn', lasting: LIMIT - 64 })
  const anna = await command.connect('anna')

  const idle: Socket[] = []
  for (let i = 0; i < 2 * LIMIT; i++) {
    const socket = connect(command.port, '127.0.0.1').on('error', () => undefined)
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    // Half of the connections have sent a request and could send another one.
    if (i % 2 === 0) socket.resume().write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n')
    idle.push(socket)
  }

  for (const path of ['health', 'ready']) {
    const { status } = await fetch(new URL(path, command.httpUrl), { headers: { connection: 'close' } })
    expect(status).toBe(200)
  }
  await anna.publish('still here')
  const borys = await command.connect('borys')
  await borys.publish('and I can come in')
  expect(idle.filter(({ closed }) => !closed).length).toBeLessThan(LIMIT)
})
