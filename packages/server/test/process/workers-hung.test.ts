/**
 * The command with a stopped worker, which the primary reports and replaces, and which does not prevent the end of the
 * server; and with a worker that starts slowly, which keeps the port closed.
 */
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Command, type LogLine } from '../support/command.js'
import { freePort } from '../support/free-port.js'
import { environment, isAlive, servingWorkers, temporaryFolder } from '../support/workers.js'

/** The answer of `/health`. A request may be dealt to the stopped worker; the test then makes another one. */
async function health(command: Command): Promise<unknown> {
  const answer = await fetch(new URL('health', command.httpUrl), {
    signal: AbortSignal.timeout(2_000),
    headers: { connection: 'close' },
  })
  return answer.json()
}

/** Stops a process, and lets it go on when the test is over: nothing else could end it but SIGKILL. */
function stop(pid: number): void {
  process.kill(pid, 'SIGSTOP')
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGCONT')
  })
}

async function startedWorker(command: Command, worker: number): Promise<LogLine & { pid: number }> {
  const line = await command.logged('worker.started', (each) => each['worker'] === worker)
  return line as LogLine & { pid: number }
}

test('the primary reports a stopped worker as silent, kills it and replaces it', { timeout: 180_000 }, async () => {
  const command = await servingWorkers(temporaryFolder(), { WORKER_TIMEOUT: '8' })
  const { pid } = await startedWorker(command, 2)
  stop(pid)
  await vi.waitFor(async () => expect(await health(command)).toMatchObject({ workers: { asked: 2, silent: 1 } }), {
    timeout: 60_000,
  })
  const ended = await command.logged('worker.ended', (line) => line['pid'] === pid)
  expect(ended).toMatchObject({ worker: 2, signal: 'SIGKILL' })
  expect(await command.logged('worker.silent', ({ level }) => level === 'error')).toMatchObject({ worker: 2, pid })
  await command.logged('worker.started', (line) => line['worker'] === 2 && line['pid'] !== pid)
  await vi.waitFor(
    async () => expect(await health(command)).toMatchObject({ workers: { asked: 2, answered: 2, silent: 0 } }),
    { timeout: 60_000 },
  )
})

/** Asks for `/health` over connections of their own; resolves when each of them has been answered, or ended. */
async function askOverConnections(command: Command, count: number): Promise<readonly string[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(command.port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      let answer = ''
      socket.on('data', (chunk) => (answer += String(chunk))).on('error', () => undefined)
      socket.write('GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      await once(socket, 'close')
      return answer
    }),
  )
}

test('a new client whose connection went to a stopped worker does not wait until that worker is killed', async () => {
  const command = await servingWorkers(temporaryFolder(), { WORKER_TIMEOUT: '3600' })
  const { pid } = await startedWorker(command, 2)
  stop(pid)
  const answers = await askOverConnections(command, 6)
  expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 200')).length).toBeGreaterThanOrEqual(5)
  expect(isAlive(pid)).toBe(true)
})

test('a new client whose connection went to a killed worker does not hang', async () => {
  const command = await servingWorkers(temporaryFolder(), { WORKER_TIMEOUT: '3600' })
  const { pid } = await startedWorker(command, 2)
  stop(pid)
  const asked = askOverConnections(command, 6)
  // The other worker has answered its part of the query.
  await health(command)
  process.kill(pid, 'SIGKILL')
  await asked
})

test('a shutdown ends with a worker that is stopped, and its exit code is not 0', { timeout: 180_000 }, async () => {
  const limits = { SHUTDOWN_TIMEOUT: '1', CLOSE_TIMEOUT: '0.1', WORKER_TIMEOUT: '3600' }
  const command = await servingWorkers(temporaryFolder(), limits)
  const { pid } = await startedWorker(command, 1)
  stop(pid)
  command.signal('SIGTERM')
  expect(await command.exited).toEqual({ code: 1, signal: null })
  expect(await command.logged('shutdown.closed')).toMatchObject({
    level: 'error',
    waitedSeconds: 6.1,
    workers: [{ worker: 1, generation: 1 }],
  })
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 60_000 })
})

test('the port opens when all workers are prepared, not with the first one', { timeout: 180_000 }, async () => {
  const port = await freePort()
  const command = Command.start(environment(temporaryFolder(), { PORT: String(port) }))
  // The primary starts the second worker when the first one is prepared.
  const second = await vi.waitFor(() => childrenOf(command.child.pid ?? -1)[1] as number, {
    interval: 1,
    timeout: 60_000,
  })
  stop(second)
  await expect(connected(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  process.kill(second, 'SIGCONT')
  await command.logged('listening')
  await connected(port)
  expect(command.lines.filter(({ event }) => event === 'worker.started')).toHaveLength(2)
})

/** The oldest first; fails before there are two. */
function childrenOf(pid: number): number[] {
  const [task = ''] = readdirSync(`/proc/${String(pid)}/task`)
  const text = readFileSync(`/proc/${String(pid)}/task/${task}/children`, 'utf8')
  const children = text.trim().split(' ').map(Number)
  expect(children).toHaveLength(2)
  return children
}

async function connected(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
}
