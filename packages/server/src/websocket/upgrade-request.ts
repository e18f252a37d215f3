/**
 * Classifies an HTTP request with an `Upgrade` field. Pure: it reads the request and answers nothing.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Whether the request asks for a WebSocket. Proxies and curl offer `h2c` on requests that are otherwise ordinary. */
export const asksForWebSocket = ({ upgrade }: IncomingHttpHeaders): boolean =>
  upgrade !== undefined &&
  (upgrade.toLowerCase() === 'websocket' ||
    upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket'))

const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i

/**
 * The request target in origin form. A server must accept the absolute form, too (RFC 9112 section 3.2.2): proxies
 * send it.
 */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target
  const rest = target.replace(ABSOLUTE_FORM, '')
  if (rest === target) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Whether a request target, in origin form, belongs to the endpoint at this path: the path itself, or something below it. */
export function isBelow(path: string, target: string): boolean {
  if (!target.startsWith(path)) return false
  const next = target[path.length]
  return next === undefined || next === '/' || next === '?'
}

export interface UpgradeRequest {
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  readonly rawHeaders: readonly string[]
}

/** The reason why a handshake is invalid before the checks of RFC 6455 (its section 4.2.1); `undefined`: it is valid so far. */
export function faultOf({ httpVersionMajor, httpVersionMinor, rawHeaders }: UpgradeRequest): string | undefined {
  if (httpVersionMajor < 1 || (httpVersionMajor === 1 && httpVersionMinor < 1)) {
    return 'A WebSocket handshake needs HTTP/1.1.'
  }
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
  return hosts === 1 ? undefined : 'A WebSocket handshake needs exactly one Host header field.'
}
