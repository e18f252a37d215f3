/**
 * deploy/nginx/nginx.conf: nginx accepts it, its times fit, and it works before two real servers.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../packages/server/test/support/free-port.js'
import { find, lacks } from '../../packages/server/test/support/programs.js'
import { adapt, TEXT } from './nginx-file.js'
import { askForShutdown, nameOf, nodeOf, oneOfEach, Proxy, twoServers } from './proxied.js'
import { DEFAULTS, seconds, wordAfter } from './settings.js'

const NGINX = find('nginx')

describe('its times', () => {
  test('allow a WebSocket three silent pings', () => {
    for (const name of ['proxy_read_timeout', 'proxy_send_timeout']) {
      expect(seconds(wordAfter(TEXT, name))).toBeGreaterThan(3 * DEFAULTS.heartbeatIntervalSeconds)
    }
  })

  test('end kept connections before the server does', () => {
    expect(seconds(wordAfter(TEXT, 'keepalive_timeout'))).toBeLessThan(DEFAULTS.keepAliveTimeoutSeconds)
  })

  test('keep the WebSockets of old workers for longer than a shutdown takes', () => {
    const longest = DEFAULTS.shutdownTimeoutSeconds + DEFAULTS.closeTimeoutSeconds
    expect(seconds(wordAfter(TEXT, 'worker_shutdown_timeout'))).toBeGreaterThan(longest)
  })
})

describe.skipIf(lacks('Debian: nginx', NGINX))('run', () => {
  test('nginx accepts the file', async () => {
    const { args } = adapt({ listen: await freePort(), a: 1, b: 2 })
    const { status, stderr } = spawnSync(NGINX, ['-t', ...args], { encoding: 'utf8' })
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('is successful') as string })
    expect(stderr).not.toContain('[emerg]')
  })

  test('a draining instance keeps its clients, and the proxy sends new ones elsewhere until the shutdown is cancelled', async () => {
    const servers = await twoServers()
    const [a, b] = servers
    const [nameA, nameB] = [await nameOf(a), await nameOf(b)]
    const listen = await freePort()
    const { args, accessLog } = adapt({ listen, a: a.port, b: b.port })
    const proxy = await Proxy.start(listen, NGINX, args)
    const [anna, borys] = await oneOfEach(proxy, servers)

    await askForShutdown(a, 'POST')
    for (let count = 0; count < 10; count++) expect(await nodeOf(await proxy.connect(`n${count}`))).toBe(nameB)
    await anna.first('shutdown')
    await anna.publish('still here')
    expect((await borys.first('message')).data).toBe('still here')

    await askForShutdown(a, 'DELETE')
    await anna.first('shutdownCancelled')
    // nginx skips the draining instance for fail_timeout. Each new client has a name of its own, because the other instance
    // may learn a moment later that a name is free again.
    for (let count = 0; ; count++) {
      const client = await proxy.connect(`back-${count}`)
      if ((await nodeOf(client)) === nameA) break
      await client.leave()
    }
    await anna.leave()
    await borys.leave()
    await expect.poll(() => readFileSync(accessLog, 'utf8'), { timeout: 60_000 }).toContain('"GET /ws/guest-0" 101')
    expect(readFileSync(accessLog, 'utf8')).not.toContain('hidden')
  })

  test('the public cannot reach the routes for operators', async () => {
    const [a, b] = await twoServers()
    const listen = await freePort()
    const proxy = await Proxy.start(listen, NGINX, adapt({ listen, a: a.port, b: b.port }).args)
    expect((await proxy.get('api/shutdown')).status).toBe(404)
    expect((await proxy.get('metrics')).status).toBe(404)
    expect((await proxy.get('health')).status).toBe(200)
  })
})
