/**
 * The addresses on which the server listens: a host and a port, or a listening socket that another process opened.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { LastcallError } from '../errors.js'

export interface Address {
  readonly host: string
  readonly port: number
  /** The path of the WebSocket endpoint; a clientId follows after a slash. */
  readonly webSocketUrl: string
  readonly httpUrl: string
  /** The URL of /metrics, /docs and /api, with ADMIN_PORT. */
  readonly adminUrl?: string
}

export interface ListenWhere {
  readonly host: string
  readonly port: number
  /** The descriptor of a TCP socket that listens already, instead of host and port. */
  readonly fd: number | undefined
  readonly isTls: boolean
  /** The URL of the WebSocket endpoint. */
  readonly path: string
}

/**
 * @throws {LastcallError} `config_invalid`: the descriptor is not a listening TCP socket. Other errors come from the operating
 * system.
 */
export async function listen(app: FastifyInstance, { host, port, fd, isTls, path }: ListenWhere): Promise<Address> {
  if (fd === undefined) await app.listen({ host, port })
  else await listenOn(app.server, fd)
  const bound = app.server.address() as AddressInfo
  const boundHost = fd === undefined ? host : bound.address
  const inUrl = `${hostInUrl(boundHost)}:${String(bound.port)}`
  return {
    host: boundHost,
    port: bound.port,
    httpUrl: `http${isTls ? 's' : ''}://${inUrl}/`,
    webSocketUrl: `ws${isTls ? 's' : ''}://${inUrl}${path}`,
  }
}

/** All addresses of the machine. A browser cannot open them as a URL; a local one opens `localhost`. */
const WILDCARD_HOSTS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '::0'])

function hostInUrl(host: string): string {
  if (WILDCARD_HOSTS.has(host)) return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}

/** Binds the port of `/metrics`, `/docs` and `/api`. Resolves with their URL. */
export async function listenAdmin(
  app: FastifyInstance,
  { host, port, isTls }: { readonly host: string; readonly port: number; readonly isTls: boolean },
): Promise<string> {
  await app.listen({ host, port })
  const bound = app.server.address() as AddressInfo
  return `http${isTls ? 's' : ''}://${hostInUrl(host)}:${String(bound.port)}/`
}

/** Does not use Fastify's `listen`, which cannot take a socket that is open already. */
async function listenOn(server: Server, fd: number): Promise<void> {
  try {
    server.listen({ fd })
    await once(server, 'listening')
    if (server.address() instanceof Object) return
    server.close()
    throw new Error('the socket is a UNIX socket')
  } catch (error) {
    throw new LastcallError(
      'config_invalid',
      `the socket that was handed over (file descriptor ${String(fd)}) is not a TCP socket that can listen`,
      { cause: error },
    )
  }
}
