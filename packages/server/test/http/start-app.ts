/**
 * The HTTP application on a port of its own, with dependencies that a test can change.
 */
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { createApp, type AppDependencies } from '../../src/http/app.js'
import type { Health } from '../../src/http/health.js'
import { HttpServers } from '../../src/http/http-servers.js'
import { securityHeaders } from '../../src/http/security-headers.js'
import { originForm } from '../../src/websocket/upgrade-request.js'

export const HEALTH: Health = {
  status: 'healthy',
  activeConnections: 3,
  shutdownInProgress: false,
  uptimeSeconds: 12.5,
  version: '1.2.3',
  build: 'build-7',
  node: 'node-a',
  journal: 'up',
}

/** Closed when the test is over. */
export async function startApp(deps: Partial<AppDependencies> = {}) {
  const app = await createApp({
    health: () => HEALTH,
    isReady: () => true,
    isDraining: () => false,
    metrics: undefined,
    servers: new HttpServers({ keepAliveTimeoutMs: 60_000 }),
    headers: securityHeaders(false),
    originForm,
    version: '1.2.3',
    ...deps,
  })
  onTestFinished(async () => {
    // An answer that the test has not read to its end would keep its connection open and block the test.
    const closed = app.close()
    app.server.closeAllConnections()
    await closed
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = (path: string): string => `http://127.0.0.1:${port}${path}`
  return { app, port, url, get: (path: string, init?: RequestInit) => fetch(url(path), init) }
}
