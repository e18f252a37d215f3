/**
 * The HTTP application: every route over plain HTTP. Only this folder knows Fastify. It does not handle WebSockets: their front
 * listens to `upgrade` on `app.server`.
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import {
  fastify,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import { lazily } from '../lazily.js'
import { ERROR_ANSWER_SCHEMA, errorAnswer } from './answers.js'
import { registerApi, type ApiDependencies, type ShutdownControl } from './api.js'
import { registerHealth, type Health, type HealthDependencies } from './health.js'
import type { HttpServers } from './http-servers.js'
import { registerMetrics, type MetricsSource } from './metrics.js'
import { registerPage } from './page.js'
import { answerAndClose } from './raw-answer.js'
import { SCHEMA_CONTROLLER } from './schema-compilers.js'
import type { HeaderFields } from './security-headers.js'

/** The state that the server reports over HTTP: that of one process, or the aggregate of several workers. */
export interface ServerStatus {
  health(): Health | Promise<Health>
  isReady(): boolean | Promise<boolean>
  readonly metrics: MetricsSource
  readonly shutdown: ShutdownControl
}

export interface AppDependencies extends HealthDependencies {
  /** When it returns true, every answer carries `Connection: close`, so that kept-alive connections end, too. */
  readonly isDraining: () => boolean
  /** `undefined`: there is no `/api`. */
  readonly api?: ApiDependencies | undefined
  /** `undefined`: `/metrics` is not found. */
  readonly metrics: MetricsSource | undefined
  /** The HTTP servers beneath the application. */
  readonly servers: HttpServers
  /** Header fields of every answer. A page may replace the policy by its own. */
  readonly headers: HeaderFields
  /** The request target in origin form: a proxy may send another one. */
  readonly originForm: (target: string) => string
  /** The version of this server, for the OpenAPI document. */
  readonly version: string
  /** Called when a handler failed. The client gets only a 500. Default: the error is dropped. */
  readonly onError?: (error: Error) => void
}

/** The routes that an application has. `/health` and `/ready` belong to every scope. */
type Scope = 'everything' | 'public' | 'admin'

/** No route reads a body. */
const MAX_BODY_BYTES = 1024

/** A complete application that does not listen yet. Rejects when the page's files are missing. */
export async function createApp(deps: AppDependencies): Promise<FastifyInstance> {
  const app = createBase(deps, 'everything', listeningServer(deps))
  await registerRoutes(app, deps, 'everything')
  serveDocs(app, deps)
  await app.ready()
  return app
}

/** The same as two: the public routes, and those that move to a port of their own (ADMIN_PORT). */
export async function createSplitApps(
  deps: AppDependencies,
): Promise<{ app: FastifyInstance; adminApp: FastifyInstance }> {
  const app = createBase(deps, 'public', listeningServer(deps))
  await registerRoutes(app, deps, 'public')
  await app.ready()
  const adminApp = createBase(deps, 'admin', listeningServer(deps))
  await registerRoutes(adminApp, deps, 'admin')
  serveDocs(adminApp, deps)
  await adminApp.ready()
  return { app, adminApp }
}

/** Registers the HTTP server of an application, so that it is counted and closed with the others. */
const listeningServer = (deps: AppDependencies): FastifyServerOptions => ({
  serverFactory: (handler) => deps.servers.create(handler),
  rewriteUrl: ({ url = '/' }) => deps.originForm(url),
})

function createBase(deps: AppDependencies, scope: Scope, options: FastifyServerOptions = {}): FastifyInstance {
  const app = fastify({
    ...options,
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    schemaController: SCHEMA_CONTROLLER,
    routerOptions: { ignoreTrailingSlash: true },
    // Fastify answers an address that cannot be decoded before it runs any hook.
    frameworkErrors(error, _request, reply) {
      setCommonHeaders(reply, deps)
      answerError(error, reply, deps.onError)
    },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, deps.headers),
  })

  // RFC 9112 section 3.2. Node's own answer would lack the header fields of all other answers.
  app.addHook('onRequest', async ({ raw }, reply) => {
    if (raw.httpVersion !== '1.1' || raw.headers.host !== undefined) return
    await reply.code(400).header('connection', 'close').send(errorAnswer(400, 'A request needs a Host header field.'))
  })
  // Runs when the answer is written: a shutdown may have started since the request arrived.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    setCommonHeaders(reply, deps)
    done()
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, deps.onError))
  app.setNotFoundHandler((request, reply) => answerNotFound(request, reply, routesOf(scope, deps)))
  return app
}

async function registerRoutes(app: FastifyInstance, deps: AppDependencies, scope: Scope): Promise<void> {
  registerHealth(app, deps)
  if (scope !== 'admin') {
    await registerPage(app)
    registerUpgradeRequired(app)
  }
  if (scope === 'public') return
  if (deps.metrics) registerMetrics(app, deps.metrics)
  if (deps.api) await registerApi(app, deps.api)
}

/**
 * Serves the OpenAPI document and its page from a second application. It has the same routes, describes them, and is made
 * when somebody first asks: a start does not wait for what it loads.
 */
function serveDocs(app: FastifyInstance, deps: AppDependencies): void {
  const docs = lazily(async () => {
    const { registerDocs } = await import('./openapi.js')
    const described = createBase(deps, 'everything')
    await registerDocs(described, deps.version, (into) => registerRoutes(into, deps, 'everything'))
    await described.ready()
    return described
  })
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const described = await docs()
    reply.hijack()
    described.routing(request.raw, reply.raw)
  }
  for (const path of ['/openapi.json', '/docs', '/docs/*']) app.get(path, answer)
}

function setCommonHeaders(reply: FastifyReply, deps: AppDependencies): void {
  for (const [name, value] of Object.entries(deps.headers)) {
    if (!reply.hasHeader(name)) reply.header(name, value)
  }
  if (deps.isDraining()) reply.header('connection', reply.hasHeader('upgrade') ? 'Upgrade, close' : 'close')
}

function answerError(error: FastifyError, reply: FastifyReply, onError: AppDependencies['onError']): FastifyReply {
  const statusCode = error.statusCode ?? 500
  if (statusCode < 500) return reply.code(statusCode).send(errorAnswer(statusCode, error.message))
  onError?.(error)
  return reply.code(500).send(errorAnswer(500, 'The server failed to handle this request. Its log has the cause.'))
}

/** Answers a request that Node could not parse: there is a socket, but no request. */
function answerClientError(error: Error & { readonly code?: string }, socket: Socket, headers: HeaderFields): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status = CLIENT_ERRORS.get(error.code) ?? 400
  answerAndClose(socket, status, JSON.stringify(errorAnswer(status, STATUS_CODES[status] ?? '')), {
    'Content-Type': 'application/json; charset=utf-8',
    ...headers,
  })
}

const CLIENT_ERRORS = new Map<string | undefined, number>([
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
  ['HPE_HEADER_OVERFLOW', 431],
])

function routesOf(scope: Scope, { metrics }: AppDependencies): string {
  const probes = '/health, /ready'
  const admin = `${metrics ? '/metrics, ' : ''}/docs, /openapi.json`
  const sockets = 'WebSockets at /ws/{clientId}'
  if (scope === 'public') return `the page /, ${probes}, and ${sockets}`
  return scope === 'admin' ? `${probes}, ${admin}` : `the page /, ${probes}, ${admin}, and ${sockets}`
}

function answerNotFound(request: FastifyRequest, reply: FastifyReply, known: string): FastifyReply {
  const [path = ''] = request.url.slice(0, 200).split('?')
  return reply.code(404).send(errorAnswer(404, `No route matches ${request.method} ${path}. The server has ${known}.`))
}

/** Answers a plain request for the WebSocket endpoint: a person opened it in a browser, or a proxy dropped the `Upgrade` field. */
function registerUpgradeRequired(app: FastifyInstance): void {
  const message =
    'This is a WebSocket endpoint. Connect with a WebSocket client, for example ' +
    '`wscat -c ws://HOST/ws/anna`, or open / in a browser. If you used one, a proxy on the way dropped the Upgrade header.'
  const schema = {
    tags: ['websocket'],
    summary: 'Connect: WebSockets only, see above',
    response: {
      101: { description: 'The answer to a WebSocket handshake.', type: 'null' },
      426: { description: 'A request without `Upgrade: websocket`.', ...ERROR_ANSWER_SCHEMA },
    },
  } as const
  const answer = (_request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    reply.code(426).headers({ upgrade: 'websocket', connection: 'Upgrade' }).send(errorAnswer(426, message))
  app.get('/ws', { schema: { ...schema, summary: `${schema.summary}. The server chooses a name` } }, answer)
  app.get<{ Params: { clientId: string } }>(
    '/ws/:clientId',
    {
      schema: {
        ...schema,
        params: {
          type: 'object',
          required: ['clientId'],
          properties: { clientId: { type: 'string', description: '1–64 of a-z A-Z 0-9 _ -' } },
        },
      },
    },
    answer,
  )
}
