/**
 * The limits per address that docs/operations.md shows for HAProxy and nginx, in the files of deploy/ and with real servers.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { invariant } from '../../packages/server/src/invariant.js'
import { freePort } from '../../packages/server/test/support/free-port.js'
import { find, lacks } from '../../packages/server/test/support/programs.js'
import { handshake } from '../../packages/server/test/support/raw-client.js'
import { TestClient } from '../../packages/server/test/support/test-client.js'
import { adapt } from './nginx-file.js'
import { Proxy, temporaryFolder, twoServers } from './proxied.js'
import { read } from './settings.js'

const HAPROXY = find('haproxy')
const NGINX = find('nginx')
const OPERATIONS = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')

/** Both limits accept 200 handshakes of an address at once. */
const ALLOWED = 200
const AT_ONCE = 50

/** The lines of the only block of this language. */
function snippet(language: 'haproxy' | 'nginx'): readonly string[] {
  const blocks = [...OPERATIONS.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))]
  expect(blocks).toHaveLength(1)
  return (blocks[0]?.[1] ?? '').trimEnd().split('\n')
}

/** The status of the answer to a handshake. Empty: the proxy closed the connection. */
function statusOfHandshake(port: number, clientId: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' })
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      answer += data.toString('latin1')
      if (answer.includes('\r\n')) socket.destroy()
    })
    socket.on('close', () => resolve(answer.split(' ')[1] ?? ''))
    socket.write(handshake(`/ws/${clientId}`))
  })
}

/** Sends handshakes from one address until the proxy rejects one. Returns the number of accepted ones and the rejection. */
async function flood(port: number): Promise<{ accepted: number; rejections: readonly string[] }> {
  let accepted = 0
  for (let count = 0; ; count += AT_ONCE) {
    const names = Array.from({ length: AT_ONCE }, (_, index) => `flood-${count + index}`)
    const statuses = await Promise.all(names.map((name) => statusOfHandshake(port, name)))
    accepted += statuses.filter((status) => status === '101').length
    const rejections = new Set(statuses.filter((status) => status !== '101'))
    if (rejections.size > 0) return { accepted, rejections: [...rejections] }
  }
}

/** A client of another address publishes and receives its message. */
async function expectOtherAddressServed(port: number): Promise<void> {
  const client = await TestClient.connect(`ws://127.0.0.1:${port}/ws/honest`, { localAddress: '127.0.0.2' })
  await client.first('welcome')
  await client.publish('still served')
  await client.leave()
}

describe.skipIf(lacks('Debian: haproxy', HAPROXY))('HAProxy', () => {
  test('closes the connections of an address that floods it, and serves another address', async () => {
    const [a, b] = await twoServers()
    const port = await freePort()
    const file = join(temporaryFolder(), 'haproxy.cfg')
    const [bind, ...more] = read('haproxy/haproxy.cfg').match(/^ *bind .*\n/gm) ?? []
    invariant(bind !== undefined && more.length === 0, 'the file has one bind')
    writeFileSync(file, read('haproxy/haproxy.cfg').replace(bind, `${bind}${snippet('haproxy').join('\n')}\n`))
    const proxy = await Proxy.start(port, HAPROXY, ['-n', '200', '-f', file], {
      LASTCALL_BIND: `127.0.0.1:${port}`,
      LASTCALL_A: `127.0.0.1:${a.port}`,
      LASTCALL_B: `127.0.0.1:${b.port}`,
      LASTCALL_C: `127.0.0.1:${b.port}`,
    })
    const { accepted, rejections } = await flood(port)
    expect(rejections).toEqual([''])
    expect(accepted).toBeGreaterThanOrEqual(ALLOWED / 2)
    await expectOtherAddressServed(port)
    expect(proxy.lines.join('\n')).not.toMatch(/alert|warning/i)
  })
})

describe.skipIf(lacks('Debian: nginx', NGINX))('nginx', () => {
  test('answers an address that floods it with 503, and serves another address', async () => {
    const [a, b] = await twoServers()
    const listen = await freePort()
    const [zone, limit] = snippet('nginx')
    const { args } = adapt({ listen, a: a.port, b: b.port }, [
      ['    upstream lastcall {', `    ${zone}\n    upstream lastcall {`],
      ['        location / {', `        location / {\n            ${limit}`],
    ])
    await Proxy.start(listen, NGINX, args)
    const { accepted, rejections } = await flood(listen)
    expect(rejections).toEqual(['503'])
    expect(accepted).toBeGreaterThanOrEqual(ALLOWED / 2)
    await expectOtherAddressServed(listen)
  })
})
