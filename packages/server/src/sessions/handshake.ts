/** Reads from a handshake what the client asks for. Pure. */
import type { Handshake } from '../connections/front.js'
import type { HandshakeRequest } from './admission.js'

/** @param path The path of the endpoint. The clientId follows it after a slash. */
export function readHandshake({ url, headers }: Handshake, path: string): HandshakeRequest {
  const mark = url.indexOf('?')
  const pathname = mark < 0 ? url : url.slice(0, mark)
  const name = pathname.slice(path.length + 1)
  const query = mark < 0 ? undefined : new URLSearchParams(url.slice(mark + 1))
  const parameter = (parameterName: string): string | undefined => query?.get(parameterName) ?? undefined
  const bearer = /^Bearer +(\S+)$/i.exec(single(headers['authorization']) ?? '')?.[1]
  return {
    clientId: name === '' ? undefined : decoded(name),
    origin: single(headers['origin']),
    acceptLanguage: single(headers['accept-language']),
    token: parameter('token') ?? bearer,
    cursor: parameter('cursor'),
    channels: parameter('channels'),
    session: parameter('session'),
    avoid: parameter('avoid'),
  }
}

/** The first value of a header field or parameter that may be repeated. */
const single = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.[0]

/**
 * Decodes a part of the path. A text that cannot be decoded is returned unchanged: it is no valid clientId, and
 * admission rejects it.
 */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
