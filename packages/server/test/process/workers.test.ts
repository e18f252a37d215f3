/**
 * The real command with WORKERS: several processes that act as one server.
 */
import { Agent, createServer, request, type ClientRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Command } from '../support/command.js'
import { RawClient } from '../support/raw-client.js'
import { TestClient } from '../support/test-client.js'
import { environment, getJson, healthy, isAlive, nodeOf, servingWorkers, temporaryFolder } from '../support/workers.js'

const ADMIN_TOKEN = 'a token for administrators'
const AUTHORIZED = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } }

/** Two clients, each at another worker. */
async function apart(command: Command): Promise<[TestClient, TestClient]> {
  const clients = [await command.connect('anna'), await command.connect('borys')] as [TestClient, TestClient]
  expect(await nodeOf(clients[0])).not.toBe(await nodeOf(clients[1]))
  return clients
}

const addsUp = (report: Readonly<Record<string, unknown>>): void => {
  const { connectionsAtStart, cameLater, left, moved, closedInSlot, closedAtDeadline, lost, remaining } =
    report as Record<string, number>
  expect(
    [left, moved, closedInSlot, closedAtDeadline, lost, remaining].reduce((sum = 0, one = 0) => sum + one, 0),
  ).toBe((connectionsAtStart ?? NaN) + (cameLater ?? NaN))
}

describe('two workers', () => {
  test('serve one conversation on one port, and each accepts the sessions of the other', async () => {
    const command = await servingWorkers(temporaryFolder())
    const [anna, borys] = await apart(command)
    await anna.publish('hello')
    expect((await borys.first('message')).data).toBe('hello')
    borys.send({ type: 'direct', to: 'anna', data: 'psst' })
    expect((await anna.first('direct')).data).toBe('psst')

    const { session, node } = await anna.first('welcome')
    await anna.leave()
    // The primary deals connections out in turn: the next one goes to the first worker, the one after that to the second.
    await command.connect('somebody')
    const returned = await command.connect(`anna?session=${session}`)
    expect((await returned.first('welcome')).node).not.toBe(node)
    expect((await returned.first('welcome')).session).toBe(session)
  })

  test('act as one server in health, metrics and limits', async () => {
    const command = await servingWorkers(temporaryFolder(), { MAX_CONNECTIONS: '2' })
    await apart(command)
    await healthy(command, { status: 'healthy', activeConnections: 2, workers: { asked: 2, answered: 2 } })
    // One client for each worker: neither has room for another.
    for (const name of ['third', 'fourth']) {
      const client = await TestClient.connect(`${command.webSocketUrl}/${name}`)
      expect(await client.closed).toMatchObject({ code: 1013 })
    }
    const metrics = await (await fetch(new URL('metrics', command.httpUrl))).text()
    expect(metrics).toContain('\nlastcall_active_connections 2\n')
    expect(metrics).toContain('\nlastcall_connects_total 2\n')
    expect(metrics).toContain('\nlastcall_rejections_total{reason="max_connections"} 2\n')
    expect(metrics).toContain('\nlastcall_journal_up{worker="2",generation="1"} 1\n')
  })

  test('drain together, and the report covers both', async () => {
    const command = await servingWorkers(temporaryFolder())
    const [anna, borys] = await apart(command)
    command.signal('SIGTERM')
    await Promise.all([anna.first('shutdown'), borys.first('shutdown')])
    expect((await fetch(new URL('ready', command.httpUrl))).status).toBe(503)
    await healthy(command, { status: 'draining', activeConnections: 2 })
    await anna.publish('still talking')
    expect((await borys.first('message')).data).toBe('still talking')
    const late = await TestClient.connect(`${command.webSocketUrl}/late`)
    expect(await late.closed).toMatchObject({ code: 1001 })

    await anna.leave()
    borys.socket.terminate()
    expect(await command.exited).toEqual({ code: 0, signal: null })
    const reports = command.lines.filter(({ event }) => event === 'shutdown.report')
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({
      why: 'SIGTERM',
      workers: 2,
      connectionsAtStart: 2,
      left: 1,
      lost: 1,
      remaining: 0,
    })
    addsUp(reports[0] as Record<string, unknown>)
    expect(command.lines.at(-1)?.event).toBe('shutdown.closed')
    expect(command.other).toEqual([])
  })

  test('log lines that name the worker', async () => {
    const command = await servingWorkers(temporaryFolder())
    await apart(command)
    await command.logged('connect', ({ worker, generation }) => worker === 1 && generation === 1)
    await command.logged('connect', ({ worker, generation }) => worker === 2 && generation === 1)
    expect(await command.logged('listening')).not.toHaveProperty('worker')
  })
})

describe('signals', () => {
  test('Ctrl-C, which reaches all processes of the group, counts once', async () => {
    const command = await servingWorkers(temporaryFolder(), {}, { isGroup: true })
    const [anna, borys] = await apart(command)
    process.kill(-(command.child.pid as number), 'SIGINT')
    await Promise.all([anna.first('shutdown'), borys.first('shutdown')])
    await anna.publish('still here')
    expect((await borys.first('message')).data).toBe('still here')
    await Promise.all([anna.leave(), borys.leave()])
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(await command.logged('shutdown.report')).toMatchObject({ why: 'SIGINT', left: 2, closedAtDeadline: 0 })
  })

  test('the second closes every connection of every worker, and the command exits with 0', async () => {
    const command = await servingWorkers(temporaryFolder())
    const clients = await apart(command)
    command.signal('SIGTERM')
    await Promise.all(clients.map((client) => client.first('shutdown')))
    command.signal('SIGTERM')
    for (const client of clients) expect(await client.closed).toMatchObject({ code: 1001 })
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(await command.logged('shutdown.report')).toMatchObject({ closedAtDeadline: 2, lost: 0 })
  })

  test('the third ends all processes at once with 1', async () => {
    const command = await servingWorkers(temporaryFolder(), { CLOSE_TIMEOUT: '60' })
    const mute = await RawClient.connect({ host: '127.0.0.1', port: command.port }, 'mute')
    command.signal('SIGTERM')
    await mute.until(({ type }) => type === 'shutdown')
    command.signal('SIGTERM')
    await mute.closeFrame
    command.signal('SIGTERM')
    // The output ends when no process holds it any more, so no worker is left.
    expect(await command.exited).toEqual({ code: 1, signal: null })
    mute.socket.destroy()
  })
})

describe('a process that dies', () => {
  test('a worker is replaced, and the clients of the other one keep their connections', async () => {
    const command = await servingWorkers(temporaryFolder())
    const [anna, borys] = await apart(command)
    const connected = await command.logged('connect', ({ clientId }) => clientId === 'anna')
    const started = (line: { readonly [field: string]: unknown }): boolean => line['worker'] === connected['worker']
    const { pid } = (await command.logged('worker.started', started)) as unknown as { pid: number }
    process.kill(pid, 'SIGKILL')
    expect(await anna.closed).toMatchObject({ code: 1006 })
    expect(await command.logged('worker.ended')).toMatchObject({ pid, signal: 'SIGKILL', level: 'warn' })
    await command.logged('worker.started', (line) => started(line) && line['pid'] !== pid)

    const newcomers = [await command.connect('c'), await command.connect('d')]
    expect(new Set(await Promise.all(newcomers.map(nodeOf))).size).toBe(2)
    await newcomers[0]?.publish('back again')
    expect((await borys.first('message')).data).toBe('back again')
    expect(borys.all('shutdown')).toEqual([])
    const metrics = await (await fetch(new URL('metrics', command.httpUrl))).text()
    expect(metrics).toContain('\nlastcall_worker_crashes_total 1\n')
  })

  test('the primary leaves no orphans: the workers close their clients politely and end', async () => {
    const command = await servingWorkers(temporaryFolder(), { SHUTDOWN_SPREAD: '1' })
    const [anna, borys] = await apart(command)
    const pids = command.workerPids
    expect(pids).toHaveLength(2)
    command.signal('SIGKILL')
    for (const client of [anna, borys]) {
      expect(await client.first('shutdown')).toMatchObject({ phase: 'warning' })
      expect(await client.closed).toMatchObject({ code: 1001 })
    }
    await vi.waitUntil(() => !pids.some(isAlive), { timeout: 60_000 })
  })
})

describe('a process that does not answer', () => {
  const get = (command: Command, agent: Agent): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      request(new URL('health', command.httpUrl), { agent, timeout: 5000 }, (response) => {
        json(response).then((answer) => resolve(answer as Record<string, unknown>), reject)
      })
        .on('timeout', function (this: ClientRequest) {
          this.destroy(new Error('no answer'))
        })
        .on('error', reject)
        .end()
    })

  test('does not fail the /health of another worker, which a probe would kill', async () => {
    const command = await servingWorkers(temporaryFolder())
    await apart(command)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    expect(await get(command, agent)).toMatchObject({ activeConnections: 2 })
    command.signal('SIGSTOP')
    expect(await get(command, agent)).toMatchObject({
      status: 'healthy',
      activeConnections: 1,
      workers: { asked: 1, answered: 1 },
    })
    command.signal('SIGCONT')
    agent.destroy()
    await healthy(command, { activeConnections: 2 })
  })

  test('is missing in the aggregates, and the metrics report it', async () => {
    const command = await servingWorkers(temporaryFolder())
    await apart(command)
    const [first, second] = command.workerPids as [number, number]
    const agents = [new Agent({ keepAlive: true, maxSockets: 1 }), new Agent({ keepAlive: true, maxSockets: 1 })]
    // The primary deals connections out in turn, so each of these goes to another worker.
    for (const agent of agents) await get(command, agent)
    process.kill(first, 'SIGSTOP')
    const answer = await Promise.any(agents.map((agent) => get(command, agent)))
    expect(answer).toMatchObject({ activeConnections: 1, workers: { asked: 2, answered: 1 } })
    process.kill(first, 'SIGCONT')
    expect(isAlive(second)).toBe(true)
    for (const agent of agents) agent.destroy()
  })
})

describe('a server that cannot start', () => {
  test('a journal in memory is a problem of the configuration: exit code 78', async () => {
    const command = Command.start({ WORKERS: '2', JOURNAL_URL: 'memory:' })
    expect(await command.exited).toEqual({ code: 78, signal: null })
    expect(command.other).toEqual([expect.stringMatching(/^lastcall: WORKERS: needs a JOURNAL_URL that several/)])
  })

  test('a port in use ends all with 1, and the log names it', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const PORT = String((server.address() as AddressInfo).port)
    const command = Command.start(environment(temporaryFolder(), { PORT }))
    expect(await command.exited).toEqual({ code: 1, signal: null })
    expect(await command.logged('worker.ended')).toMatchObject({ reason: expect.stringContaining(PORT) as string })
  })
})

describe('the API', () => {
  test('any worker reports, begins and cancels the shutdown of all; the primary replaces workers that have ended meanwhile', async () => {
    const command = await servingWorkers(temporaryFolder(), { ADMIN_TOKEN })
    const api = (method: string, body?: object) =>
      getJson(command, 'api/shutdown', {
        method,
        headers: { ...AUTHORIZED.headers, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      })
    const [anna, borys] = await apart(command)
    expect(await api('GET')).toEqual({ state: 'serving', remainingSeconds: 0, report: null })
    expect(await api('DELETE')).toMatchObject({ statusCode: 409 })

    expect(await api('POST', { timeoutSeconds: 600 })).toMatchObject({ state: 'draining' })
    expect((await anna.first('shutdown')).deadlineInMs).toBeLessThanOrEqual(600_000)
    expect(await api('POST')).toMatchObject({ statusCode: 409 })
    await borys.leave()
    await command.logged('worker.ended')
    expect(await api('GET')).toMatchObject({
      state: 'draining',
      report: { why: 'api', connectionsAtStart: 2, left: 1, remaining: 1 },
    })

    expect(await api('DELETE')).toEqual({ state: 'serving', remainingSeconds: 0, report: null })
    await anna.first('shutdownCancelled')
    await vi.waitUntil(() => command.workerPids.length === 2, { timeout: 60_000 })
    expect((await fetch(new URL('ready', command.httpUrl))).status).toBe(200)
    const newcomers = [await command.connect('c'), await command.connect('d')]
    expect(new Set(await Promise.all(newcomers.map(nodeOf))).size).toBe(2)

    command.signal('SIGTERM')
    await Promise.all(
      [anna, ...newcomers].map(async (client) => {
        await client.first('shutdown', ({ deadlineInMs }) => deadlineInMs > 600_000)
        await client.leave()
      }),
    )
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(await command.logged('shutdown.report')).toMatchObject({ why: 'SIGTERM', connectionsAtStart: 3, left: 3 })
  })
})
