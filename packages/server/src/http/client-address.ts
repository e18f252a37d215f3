/**
 * The IP address of the client that sent a request: the peer's own, or behind trusted proxies (TRUST_PROXY) the one that
 * `X-Forwarded-For` names. Entries that an untrusted peer could have written are not believed.
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
    // Without a peer there is nobody to believe.
    if (remoteAddress === undefined) return undefined
    return plainAddress(proxyAddr(request, isTrusted)) ?? plainAddress(remoteAddress)
  }
}

const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i
const WITH_PORT = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::\d+)?$/i

/** Without a port, which some proxies append, and without the prefix of an IPv4 address that is mapped into IPv6. */
export function plainAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const [, inBrackets, v4] = WITH_PORT.exec(text) ?? []
  const address = (inBrackets ?? v4 ?? text).replace(MAPPED, '')
  return isIP(address) === 0 ? undefined : address
}
