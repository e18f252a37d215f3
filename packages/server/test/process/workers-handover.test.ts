/**
 * SIGHUP to the command with WORKERS and HANDOVER=on: the new workers continue the live connections, and no client sees an event.
 * With processes that are killed or stopped in between.
 */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Command, type LogLine } from '../support/command.js'
import { clientFrame, OPCODES, RawClient } from '../support/raw-client.js'
import { CA, certFile, keyFile } from '../support/certificates.js'
import { TestClient } from '../support/test-client.js'
import { envFile, environment, isAlive, nodeOf, reload, servingWorkers, temporaryFolder } from '../support/workers.js'

vi.setConfig({ testTimeout: 240_000 })

const serving = (folder: string, env: Readonly<Record<string, string>> = {}): Promise<Command> =>
  servingWorkers(folder, { HANDOVER: 'on', ...env })

const connectAll = (command: Command, count: number): Promise<TestClient[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => command.connect(`client-${String(index)}`)))

/** The report of the workers of a generation, when the last of them has ended. */
const reportOf = (command: Command, generation = 1): Promise<LogLine> =>
  command.logged('shutdown.report', (line) => line['generation'] === generation)

/** The types of the frames after the welcome, without the entries of the journal. */
const eventsOf = ({ messages }: TestClient): string[] =>
  messages.map(({ type }) => type).filter((type) => !['welcome', 'message', 'ack', 'pong'].includes(type))

const isOpen = ({ socket }: TestClient): boolean => socket.readyState === socket.OPEN

describe('a reload with HANDOVER=on', () => {
  test('hands every connection over: each client receives each message once, in order, and no other frame', async () => {
    const command = await serving(temporaryFolder(), { PRESENCE_INTERVAL: '250' })
    const clients = await connectAll(command, 25)
    const [anna, borys] = clients as [TestClient, TestClient]
    // Anna has seen all joins: what she receives from now on is caused by the reload.
    await anna.publish('all are here')
    await vi.waitFor(() => expect(anna.presenceChanges().flatMap(({ joined }) => joined)).toHaveLength(25), {
      timeout: 20_000,
    })
    const before = eventsOf(anna).length
    const over = new AbortController()
    const published: string[] = []
    const publishing = (async () => {
      while (!over.signal.aborted) {
        const text = `message ${String(published.length)}`
        published.push(text)
        await borys.publish(text, { id: text })
      }
    })()
    await reload(command)
    expect(await reportOf(command)).toMatchObject({ why: 'reload', handedOver: 25, left: 0, lost: 0, remaining: 0 })
    over.abort()
    await publishing
    await borys.publish('the last one')
    for (const client of clients) {
      if (client !== borys) await client.first('message', ({ data }) => data === 'the last one')
      expect(isOpen(client)).toBe(true)
      expect(client.all('shutdown')).toEqual([])
      expect(client.all('presence').flatMap(({ changes }) => changes.flatMap(({ left }) => left))).toEqual([])
    }
    expect(eventsOf(anna).slice(before)).toEqual([])
    expect(anna.heard).toEqual([...published, 'the last one'])
    const offsets = borys.all('ack').map(({ offset }) => offset)
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
    expect(new Set(offsets).size).toBe(offsets.length)
  })

  test('keeps the name of a client: another one cannot take it, and the same one can replace its connection', async () => {
    const command = await serving(temporaryFolder())
    const anna = await command.connect('anna')
    await reload(command)
    await reportOf(command)
    const stranger = await TestClient.connect(`${command.webSocketUrl}/anna`)
    expect((await stranger.closed).code).toBe(4009)
    const { session } = await anna.first('welcome')
    const again = await command.connect(`anna?session=${encodeURIComponent(session)}`)
    expect((await anna.closed).code).toBe(4001)
    await again.publish('still anna')
  })

  test('carries the bytes of an incomplete frame and of a fragmented message over', async () => {
    const command = await serving(temporaryFolder())
    const place = { host: '127.0.0.1', port: command.port }
    const [halved, split, reader] = await Promise.all(
      ['halved', 'split', 'reader'].map((name) => RawClient.connect(place, name)),
    )
    const text = (data: string): string => JSON.stringify({ type: 'message', channel: 'lobby', data, id: data })
    const frame = clientFrame(OPCODES.text, text('in halves'))
    halved?.socket.write(frame.subarray(0, 11))
    const message = text('in fragments')
    split?.send(OPCODES.text, message.slice(0, 9), { fin: false })
    split?.send(OPCODES.continuation, message.slice(9, 20), { fin: false })
    // Their answers show that the server has read what was sent before.
    split?.send(OPCODES.ping, 'now')
    await vi.waitFor(() => expect(split?.controls).toContain(OPCODES.pong))
    await reload(command)
    expect(await reportOf(command)).toMatchObject({ handedOver: 3 })
    halved?.socket.write(frame.subarray(11))
    split?.send(OPCODES.continuation, message.slice(20))
    for (const data of ['in halves', 'in fragments']) {
      await reader?.until((each) => each.type === 'message' && each.data === data)
    }
    for (const client of [halved, split, reader]) client?.socket.destroy()
  })

  test('carries the budget of a client and the dialect over', async () => {
    const command = await serving(temporaryFolder(), { MAX_MESSAGES_PER_MINUTE: '3' })
    const anna = await command.connect('anna', { protocol: 'lastcall.v1' })
    for (const data of [1, 2, 3]) await anna.publish(data)
    await reload(command)
    await reportOf(command)
    anna.send('not a message of the protocol')
    expect(await anna.first('error')).toMatchObject({ code: 'bad_message' })
    anna.send({ type: 'message', channel: 'lobby', data: 4, id: 'the fourth' })
    expect(await anna.first('error', ({ id }) => id === 'the fourth')).toMatchObject({ code: 'rate_limited' })
  })

  test('works several times in a row', async () => {
    const command = await serving(temporaryFolder(), { WORKERS: '1' })
    const [anna, borys] = [await command.connect('anna'), await command.connect('borys')]
    for (let generation = 1; generation <= 3; generation++) {
      await reload(command)
      expect(await reportOf(command, generation)).toMatchObject({ handedOver: 2, remaining: 0 })
      await anna.publish(generation)
    }
    await borys.first('message', ({ data }) => data === 3)
    expect(borys.heard).toEqual([1, 2, 3])
    expect([...eventsOf(anna), ...eventsOf(borys)]).toEqual([])
  })
})

describe('when connections cannot be handed over', () => {
  test('the others get the shutdown of today: new workers have room for fewer clients', async () => {
    const folder = temporaryFolder()
    const command = await serving(folder)
    const clients = await connectAll(command, 6)
    envFile(folder, 'MAX_CONNECTIONS=2\n')
    await reload(command)
    const warned = vi.waitFor(
      () => {
        const count = clients.filter((client) => client.all('shutdown').length > 0).length
        expect(count).toBe(4)
      },
      { timeout: 60_000 },
    )
    await warned
    expect(clients.every(isOpen)).toBe(true)
    for (const client of clients) await client.publish('still served')
    await Promise.all(clients.map((client) => client.leave()))
    expect(await reportOf(command)).toMatchObject({ handedOver: 2, left: 4, lost: 0 })
  })

  test('TLS in the process: the clients are warned as without HANDOVER', async () => {
    const folder = temporaryFolder()
    const tls = { TLS_CERT: certFile('first'), TLS_KEY: keyFile('first') }
    const command = await serving(folder, tls)
    const anna = await command.connect('anna', { ca: CA })
    await reload(command)
    expect(await anna.first('shutdown')).toMatchObject({ phase: 'warning' })
    await anna.leave()
    expect(await reportOf(command)).toMatchObject({ handedOver: 0, left: 1 })
  })

  test('new workers without HANDOVER: the clients are warned', async () => {
    const folder = temporaryFolder()
    const command = await Command.serving({ ...environment(folder), ENV_FILE: envFile(folder, 'HANDOVER=on\n') })
    const anna = await command.connect('anna')
    envFile(folder, 'HANDOVER=off\n')
    await reload(command)
    expect(await anna.first('shutdown')).toMatchObject({ phase: 'warning' })
    await anna.leave()
  })
})

describe('during the trial of new workers', () => {
  /** Connects clients and reloads; resolves when the first of them are at the new workers. */
  async function onTrial(command: Command, count: number): Promise<TestClient[]> {
    const clients = await connectAll(command, count)
    command.signal('SIGHUP')
    await command.logged('handover', (line) => 'canaries' in line)
    return clients
  }

  const pidOf = (command: Command, generation: number, worker: number): number =>
    command.lines.find(
      (line) => line.event === 'worker.started' && line['generation'] === generation && line['worker'] === worker,
    )?.['pid'] as number

  test('one that is killed ends the reload: the old workers go on, and get the living canaries back', async () => {
    const command = await serving(temporaryFolder())
    const clients = await onTrial(command, 20)
    process.kill(pidOf(command, 2, 1), 'SIGKILL')
    expect(await command.logged('reload.failed')).toMatchObject({ generation: 2 })
    await command.logged('shutdown.report', (line) => line['generation'] === 2)
    const open = clients.filter(isOpen)
    // Of two canaries, one for each old worker, at most two were at the killed worker.
    expect(open.length).toBeGreaterThanOrEqual(18)
    for (const client of open) await client.publish('still served')
    expect(open.flatMap(eventsOf)).toEqual([])
    const late = await command.connect('late')
    expect(new Set(await Promise.all(clients.map(nodeOf)))).toContain(await nodeOf(late))
  })

  test('one that is stopped delays its connections, and they continue with it', async () => {
    const command = await serving(temporaryFolder(), { WORKER_TIMEOUT: '3600' })
    const clients = await onTrial(command, 10)
    const pid = pidOf(command, 2, 1)
    await command.logged('reload.done')
    process.kill(pid, 'SIGSTOP')
    onTestFinished(() => {
      if (isAlive(pid)) process.kill(pid, 'SIGCONT')
    })
    await command.logged('worker.silent')
    process.kill(pid, 'SIGCONT')
    expect(await reportOf(command)).toMatchObject({ handedOver: 10, lost: 0, left: 0 })
    for (const client of clients) await client.publish('still served')
    expect(clients.flatMap(eventsOf)).toEqual([])
  })

  test('an old worker that is killed takes its own connections with it, and not those that it has handed over', async () => {
    const command = await serving(temporaryFolder())
    const clients = await onTrial(command, 10)
    process.kill(pidOf(command, 1, 1), 'SIGKILL')
    await command.logged('reload.done')
    await command.logged('shutdown.report', (line) => line['generation'] === 1)
    const nodes = await Promise.all(clients.map(nodeOf))
    const lost = await vi.waitFor(
      () => {
        const ended = nodes.filter((_, index) => !isOpen(clients[index] as TestClient))
        expect(ended).not.toEqual([])
        return ended
      },
      { timeout: 20_000 },
    )
    expect(new Set(lost).size).toBe(1)
    for (const client of clients.filter(isOpen)) await client.publish('still served')
  })

  test('SIGTERM ends the reload, and every client is drained', async () => {
    const command = await serving(temporaryFolder(), { SHUTDOWN_TIMEOUT: '3' })
    const clients = await onTrial(command, 10)
    command.signal('SIGTERM')
    const endings = await Promise.all(clients.map(({ closed }) => closed))
    expect(new Set(endings.map(({ code }) => code))).toEqual(new Set([1001]))
    expect(await command.exited).toEqual({ code: 0, signal: null })
  })

  test('a second SIGHUP follows the first one, and hands everything over again', async () => {
    const command = await serving(temporaryFolder())
    const clients = await onTrial(command, 10)
    command.signal('SIGHUP')
    await command.logged('reload.done', (line) => line['generation'] === 3)
    await reportOf(command, 1)
    await reportOf(command, 2)
    for (const client of clients) await client.publish('still served')
    expect(clients.flatMap(eventsOf)).toEqual([])
  })

  test('the primary that is killed takes no connection with it: each worker drains its own', async () => {
    const command = await serving(temporaryFolder(), { SHUTDOWN_SPREAD: '1' })
    const clients = await onTrial(command, 10)
    const pids = command.workerPids
    command.child.kill('SIGKILL')
    const endings = await Promise.all(clients.map(({ closed }) => closed))
    expect(new Set(endings.map(({ code }) => code))).toEqual(new Set([1001]))
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 30_000 })
  })
})
