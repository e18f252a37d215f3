/**
 * The address of a client behind trusted and other proxies.
 */
import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { createAddressReader, plainAddress } from '../../src/http/client-address.js'

const request = (remoteAddress: string | undefined, forwardedFor?: string): IncomingMessage =>
  ({
    socket: { remoteAddress },
    headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
  }) as unknown as IncomingMessage

test('without trusted proxies the address is that of the peer, whatever its header fields contain', () => {
  const addressOf = createAddressReader(false)
  expect(addressOf(request('203.0.113.9', '198.51.100.1'))).toBe('203.0.113.9')
  expect(addressOf(request('::ffff:203.0.113.9'))).toBe('203.0.113.9')
  expect(addressOf(request(undefined))).toBeUndefined()
})

test('behind trusted proxies the address is the last one that is not a trusted proxy', () => {
  const addressOf = createAddressReader(['10.1.0.0/16', '2001:db8:7::/48'])
  expect(addressOf(request('10.1.2.3', '198.51.100.1'))).toBe('198.51.100.1')
  expect(addressOf(request('::ffff:10.1.2.3', '192.0.2.66, 198.51.100.1, 10.1.9.9'))).toBe('198.51.100.1')
  expect(addressOf(request('2001:db8:7::5', '2001:db8::1'))).toBe('2001:db8::1')
  expect(addressOf(request('10.2.0.1', '198.51.100.1'))).toBe('10.2.0.1')
})

test('with every proxy trusted the address is the first one', () => {
  expect(createAddressReader(true)(request('10.1.2.3', '192.0.2.66, 198.51.100.1'))).toBe('192.0.2.66')
})

test('a field without a valid address has no effect', () => {
  const addressOf = createAddressReader(['loopback'])
  for (const text of ['unknown', '_hidden', '', ',', '1.2.3.4.5', 'a'.repeat(9000), '"\r\nx"']) {
    expect(addressOf(request('127.0.0.1', text))).toBe('127.0.0.1')
  }
})

test.each([
  ['192.0.2.7:61234', '192.0.2.7'],
  ['[2001:db8::9]:443', '2001:db8::9'],
  ['[2001:db8::9]', '2001:db8::9'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['fe80::1%eth0', 'fe80::1%eth0'],
  ['192.0.2.700', undefined],
])('%s is the address %s', (text, address) => {
  expect(plainAddress(text)).toBe(address)
})
