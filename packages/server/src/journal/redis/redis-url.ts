/**
 * The content of a `redis:` or `rediss:` URL:
 * `redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DATABASE][?key=NAME&sentinel=NAME&ca=FILE&cert=FILE&cert-key=FILE]`.
 * Pure. An error never repeats the text of the URL, because it may contain a password.
 */
import { isIPv6 } from 'node:net'

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

export interface RedisTarget {
  /** At least one, tried in this order: servers, or Sentinels if `sentinel` is set. */
  readonly addresses: readonly RedisAddress[]
  /** The name of the primary in the configuration of the Sentinels. */
  readonly sentinel: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** The key of the stream. */
  readonly key: string
  /** `undefined`: no TLS. The files are in PEM. */
  readonly tls: RedisTls | undefined
}

export interface RedisTls {
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly certKeyFile: string | undefined
}

export type ParsedRedisUrl =
  { readonly ok: true; readonly target: RedisTarget } | { readonly ok: false; readonly problem: string }

/** The braces keep the key in one slot of a cluster. */
const DEFAULT_KEY = '{lastcall}:journal'
const SERVER_PORT = 6379
const SENTINEL_PORT = 26_379
const PARAMETERS: readonly string[] = ['key', 'sentinel', 'ca', 'cert', 'cert-key']
const HOST = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i

export const isRedisUrl = (url: string): boolean => /^rediss?:/i.test(url)

export function parseRedisUrl(url: string): ParsedRedisUrl {
  try {
    return { ok: true, target: targetOf(url) }
  } catch (error) {
    if (error instanceof UrlProblem) return { ok: false, problem: error.message }
    throw error
  }
}

/** The URL is not valid. The error ends the parsing. */
class UrlProblem extends Error {}

function targetOf(url: string): RedisTarget {
  const [, scheme = '', rest = ''] = /^(rediss?):\/\/(.*)$/is.exec(url) ?? []
  if (scheme === '') throw new UrlProblem('must begin with redis:// or rediss://')
  if (rest.includes('#')) throw new UrlProblem('contains a #; write %23 in a password')
  const [, authority = '', path = '', query = ''] = /^([^/?]*)([^?]*)(.*)$/s.exec(rest) ?? []
  if (path.includes('@')) throw new UrlProblem('contains a / before the @; write %2F in a password')
  if (query.includes('@') && !authority.includes('@')) {
    throw new UrlProblem('contains a ? before the @; write %3F in a password')
  }
  const parameters = parametersOf(query)
  const at = authority.lastIndexOf('@')
  const sentinel = parameters.get('sentinel')
  const defaultPort = sentinel === undefined ? SERVER_PORT : SENTINEL_PORT
  return {
    addresses: authority
      .slice(at + 1)
      .split(',')
      .map((address) => addressOf(address, defaultPort)),
    sentinel,
    ...credentialsOf(at < 0 ? '' : authority.slice(0, at)),
    database: databaseOf(path),
    key: parameters.get('key') ?? DEFAULT_KEY,
    tls: tlsOf(scheme, parameters),
  }
}

function credentialsOf(userinfo: string): Pick<RedisTarget, 'username' | 'password'> {
  const colon = userinfo.indexOf(':')
  const [username, password] =
    colon < 0 ? [userinfo, ''] : [userinfo.slice(0, colon), decoded(userinfo.slice(colon + 1))]
  if (username !== '' && password === '') throw new UrlProblem('names a user without a password')
  return { username: decoded(username) || undefined, password: password || undefined }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new UrlProblem('contains a % that encodes nothing; write %25 in a password')
  }
}

function addressOf(text: string, defaultPort: number): RedisAddress {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  const isHost = bracketed === undefined ? HOST.test(host) : isIPv6(host)
  if (!isHost) throw new UrlProblem('must name a host, or hosts with commas between them; IPv6 addresses in brackets')
  if (port === undefined) return { host, port: defaultPort }
  const isPort = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535
  if (!isPort) throw new UrlProblem('contains a port that is not a number from 1 to 65535')
  return { host, port: Number(port) }
}

function databaseOf(path: string): number {
  if (path === '' || path === '/') return 0
  if (!/^\/\d{1,5}$/.test(path)) throw new UrlProblem('may have nothing but the number of a database after the host')
  return Number(path.slice(1))
}

function parametersOf(query: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!PARAMETERS.includes(name)) throw new UrlProblem(`may have only these parameters: ${PARAMETERS.join(', ')}`)
    if (parameters.has(name)) throw new UrlProblem(`has the parameter ${name} twice`)
    if (value === '') throw new UrlProblem(`has the parameter ${name} without a value`)
    parameters.set(name, value)
  }
  return parameters
}

function tlsOf(scheme: string, parameters: ReadonlyMap<string, string>): RedisTls | undefined {
  const tls = {
    caFile: parameters.get('ca'),
    certFile: parameters.get('cert'),
    certKeyFile: parameters.get('cert-key'),
  }
  if ((tls.certFile === undefined) !== (tls.certKeyFile === undefined)) {
    throw new UrlProblem('needs cert and cert-key together')
  }
  if (scheme.toLowerCase() === 'rediss') return tls
  if (tls.caFile === undefined && tls.certFile === undefined) return undefined
  throw new UrlProblem('must be rediss:// for ca, cert and cert-key')
}

/** The target for logs, without user and password. */
export function describeTarget({ addresses, sentinel, database, key }: RedisTarget): string {
  const hosts = addresses.map(describeAddress).join(',')
  return `${sentinel === undefined ? 'Redis' : `Redis, the primary ${sentinel} of the Sentinels`} at ${hosts}, database ${database}, key ${key}`
}

const describeAddress = ({ host, port }: RedisAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`
