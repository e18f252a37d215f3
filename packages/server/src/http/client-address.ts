/**
 * The IP address of the client that sent a request: the address of the peer, or behind trusted proxies (TRUST_PROXY) the one
 * that `X-Forwarded-For` names. The server ignores entries that an untrusted peer could have written.
 */
import proxyAddr from '@fastify/proxy-addr'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

export type AddressReader = (request: IncomingMessage) => string | undefined

/** @param trust `true`: every proxy; otherwise those at these addresses and networks, or none. */
export function createAddressReader(trust: boolean | readonly string[]): AddressReader {
  if (trust === false) return ({ socket }) => plainAddress(socket.remoteAddress)
  const isTrusted = trust === true ? () => true : proxyAddr.compile([...trust])
  return (request) => {
    const { remoteAddress } = request.socket
    // A closed socket has no peer address, and without one no proxy is trusted.
    if (remoteAddress === undefined) return undefined
    return plainAddress(proxyAddr(request, isTrusted)) ?? plainAddress(remoteAddress)
  }
}

const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i
const WITH_PORT = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::\d+)?$/i

/** The address without the port that some proxies append, and without the prefix of an IPv4 address that is mapped into IPv6. */
export function plainAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const [, inBrackets, v4] = WITH_PORT.exec(text) ?? []
  const address = (inBrackets ?? v4 ?? text).replace(MAPPED, '')
  return isIP(address) === 0 ? undefined : address
}
