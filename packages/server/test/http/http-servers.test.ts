/**
 * One server on several addresses: all of its listeners behave alike.
 */
import { lookup } from 'node:dns/promises'
import { Agent, request } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createApp } from '../../src/http/app.js'
import { HttpServers } from '../../src/http/http-servers.js'
import { securityHeaders } from '../../src/http/security-headers.js'
import { originForm } from '../../src/websocket/upgrade-request.js'
import { HEALTH } from './start-app.js'

const takesConnections = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })

test('at localhost the server listens on all addresses and stops on all, and existing connections continue', async () => {
  const servers = new HttpServers({ keepAliveTimeoutMs: 60_000 })
  const app = await createApp({
    servers,
    health: () => HEALTH,
    isReady: () => true,
    isDraining: () => false,
    metrics: undefined,
    headers: securityHeaders(false),
    originForm,
    version: '1',
  })
  await app.listen({ port: 0, host: 'localhost' })
  onTestFinished(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const hosts = (await lookup('localhost', { all: true })).map(({ address }) => address)
  expect(await Promise.all(hosts.map((host) => takesConnections(host, port)))).toEqual(hosts.map(() => true))

  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  const status = async (): Promise<number | undefined> => {
    const [response] = (await once(request({ port, path: '/ready', agent }).end(), 'response')) as [
      NodeJS.ReadableStream & { statusCode?: number },
    ]
    response.resume()
    await once(response, 'end')
    return response.statusCode
  }
  expect(await status()).toBe(200)
  servers.stopListening()
  expect(await status()).toBe(200)
  expect(await Promise.all(hosts.map((host) => takesConnections(host, port)))).toEqual(hosts.map(() => false))
})
