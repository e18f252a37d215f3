/**
 * deploy/haproxy/haproxy.cfg: HAProxy accepts it, its times fit, and it works before two real servers.
 */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../packages/server/test/support/free-port.js'
import { find, lacks } from '../../packages/server/test/support/programs.js'
import { askForShutdown, nameOf, nodeOf, oneOfEach, Proxy, twoServers } from './proxied.js'
import { DEFAULTS, place, read, seconds, wordAfter } from './settings.js'

const HAPROXY = find('haproxy')
const FILE = place('haproxy/haproxy.cfg')

describe('its times', () => {
  const text = read('haproxy/haproxy.cfg')
  const timeout = (name: string): number => seconds(wordAfter(text, `timeout ${name} `))

  test('allow a WebSocket three silent pings, and a close its timeout', () => {
    expect(timeout('tunnel')).toBeGreaterThan(3 * DEFAULTS.heartbeatIntervalSeconds)
    expect(timeout('client-fin')).toBeGreaterThan(DEFAULTS.closeTimeoutSeconds)
    expect(timeout('server-fin')).toBeGreaterThan(DEFAULTS.closeTimeoutSeconds)
  })

  test('end kept connections before the server does', () => {
    expect(timeout('http-keep-alive')).toBeLessThan(DEFAULTS.keepAliveTimeoutSeconds)
  })

  test('keep the WebSockets of an old process for longer than a shutdown takes', () => {
    const longest = DEFAULTS.shutdownTimeoutSeconds + DEFAULTS.closeTimeoutSeconds
    expect(seconds(wordAfter(text, 'hard-stop-after '))).toBeGreaterThan(longest)
  })

  test('are accompanied by no setting that cuts the connections of a draining instance', () => {
    expect(text.replaceAll(/#.*/g, '')).not.toContain('on-marked-down')
  })
})

describe.skipIf(lacks('Debian: haproxy', HAPROXY))('run', () => {
  test('HAProxy accepts the file without a warning', () => {
    const { status, stdout, stderr } = spawnSync(HAPROXY, ['-c', '-f', FILE], { encoding: 'utf8' })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'Configuration file is valid\n', stderr: '' })
  })

  test('a draining instance keeps its clients, and the proxy sends new ones elsewhere until the shutdown is cancelled', async () => {
    const servers = await twoServers()
    const [a, b] = servers
    const [nameA, nameB] = [await nameOf(a), await nameOf(b)]
    const port = await freePort()
    // A low number of connections works with any `ulimit -n`.
    const proxy = await Proxy.start(port, HAPROXY, ['-n', '200', '-f', FILE], {
      LASTCALL_BIND: `127.0.0.1:${port}`,
      LASTCALL_A: `127.0.0.1:${a.port}`,
      LASTCALL_B: `127.0.0.1:${b.port}`,
      // The third server of the file is the second one again.
      LASTCALL_C: `127.0.0.1:${b.port}`,
    })
    const [anna, borys] = await oneOfEach(proxy, servers)

    await askForShutdown(a, 'POST')
    // Until HAProxy detects the drain, the server rejects new clients with 503, and HAProxy retries them elsewhere.
    for (let count = 0; count < 10; count++) expect(await nodeOf(await proxy.connect(`n${count}`))).toBe(nameB)
    await proxy.logged('Server lastcall/a is DOWN')
    expect(await nodeOf(await proxy.connect('late'))).toBe(nameB)
    await anna.first('shutdown')
    await anna.publish('still here')
    expect((await borys.first('message')).data).toBe('still here')

    await askForShutdown(a, 'DELETE')
    await anna.first('shutdownCancelled')
    await proxy.logged('Server lastcall/a is UP')
    expect(await nodeOf(await proxy.connect('back'))).toBe(nameA) // It has fewer.
  })

  test('the public cannot reach the routes for operators, and HAProxy logs no token', async () => {
    const [a, b] = await twoServers()
    const port = await freePort()
    const proxy = await Proxy.start(port, HAPROXY, ['-n', '200', '-f', FILE], {
      LASTCALL_BIND: `127.0.0.1:${port}`,
      LASTCALL_A: `127.0.0.1:${a.port}`,
      LASTCALL_B: `127.0.0.1:${b.port}`,
      // The third server of the file is the second one again.
      LASTCALL_C: `127.0.0.1:${b.port}`,
    })
    expect((await proxy.get('api/shutdown')).status).toBe(404)
    expect((await proxy.get('metrics')).status).toBe(404)
    expect((await proxy.get('health')).status).toBe(200)
    const anna = await proxy.connect('anna?token=hidden')
    await anna.leave()
    await proxy.logged('/ws/anna')
    expect(proxy.lines.join('\n')).not.toContain('hidden')
  })
})
