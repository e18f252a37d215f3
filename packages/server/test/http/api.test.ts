/**
 * `/api` over real HTTP, on a server with a connected client.
 */
import { describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/test-server.js'

const TOKEN = 'a token for the tests of the API'

function ask(server: TestServer, method: string, body?: object, token: string | undefined = TOKEN): Promise<Response> {
  return fetch(new URL('/api/shutdown', server.httpUrl), {
    method,
    headers: {
      ...(token !== '' && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
}

describe('the API', () => {
  test('does not exist without an ADMIN_TOKEN', async () => {
    const server = await startServer()
    expect((await ask(server, 'GET')).status).toBe(404)
  })

  test('rejects a request without a token or with another one', async () => {
    const server = await startServer({ adminToken: TOKEN })
    for (const token of ['', 'wrong', `${TOKEN}!`]) {
      const answer = await ask(server, 'POST', {}, token)
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    }
    expect(server.shutdown.state).toBe('serving')
  })

  test('reports that no shutdown runs', async () => {
    const server = await startServer({ adminToken: TOKEN })
    expect(await (await ask(server, 'GET')).json()).toEqual({ state: 'serving', remainingSeconds: 0, report: null })
  })

  test('begins a shutdown with the requested time and mode, and reports its progress', async () => {
    const server = await startServer({ adminToken: TOKEN })
    const anna = await server.connect('anna')
    const answer = await ask(server, 'POST', { timeoutSeconds: 60, mode: 'migrate' })
    expect(answer.status).toBe(202)
    expect((await anna.first('shutdown')).deadlineInMs).toBeLessThanOrEqual(60_000)
    expect(await (await ask(server, 'GET')).json()).toMatchObject({
      state: 'draining',
      report: { why: 'api', mode: 'migrate', connectionsAtStart: 1, remaining: 1 },
    })
    expect((await ask(server, 'POST')).status).toBe(409)
    await anna.leave()
    expect(await server.shutdown.waitForShutdown()).toMatchObject({ left: 1, remaining: 0 })
  })

  test('cancels the shutdown: every client receives a frame, the server accepts new clients, and periodic messages continue', async () => {
    const server = await startServer({ adminToken: TOKEN, broadcastIntervalSeconds: 0.05 })
    const anna = await server.connect('anna')
    await ask(server, 'POST')
    await anna.first('shutdown')
    expect((await ask(server, 'DELETE')).status).toBe(200)
    await anna.first('shutdownCancelled')
    const told = anna.messages.length
    await server.connect('bob')
    await anna.until((message) => message.type === 'periodic' && anna.messages.indexOf(message) >= told)
    expect((await fetch(new URL('/ready', server.httpUrl))).status).toBe(200)
    expect((await ask(server, 'DELETE')).status).toBe(409)
  })

  test('answers an invalid request with 400', async () => {
    const server = await startServer({ adminToken: TOKEN })
    for (const body of [{ timeoutSeconds: -1 }, { mode: 'abrupt' }, { timeoutSeconds: 'soon' }]) {
      expect((await ask(server, 'POST', body)).status).toBe(400)
    }
    expect(server.shutdown.state).toBe('serving')
  })
})

describe('GET /api/instances', () => {
  const list = async (server: TestServer): Promise<{ instances: Record<string, unknown>[] }> => {
    const answer = await fetch(new URL('/api/instances', server.httpUrl), {
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    expect(answer.status).toBe(200)
    return (await answer.json()) as { instances: Record<string, unknown>[] }
  }

  test('needs the ADMIN_TOKEN', async () => {
    const server = await startServer({ adminToken: TOKEN })
    expect((await fetch(new URL('/api/instances', server.httpUrl))).status).toBe(401)
  })

  test('lists the answering instance with its present figures', async () => {
    const server = await startServer({ adminToken: TOKEN, build: 'b7' })
    await server.connect('anna')
    const { instances } = await list(server)
    expect(instances).toMatchObject([{ node: server.node, build: 'b7', state: 'ready', connections: 1 }])
    expect(Date.parse(String(instances[0]?.['startedAt']))).not.toBeNaN()
  })
})
