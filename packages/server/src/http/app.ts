/**
 * Everything lastcall says over plain HTTP, and the only folder that knows Fastify. WebSockets are none of its business:
 * whoever serves them listens to `upgrade` on `app.server`.
 */
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { COMMON_HEADERS, ERROR_ANSWER_SCHEMA, errorAnswer } from './answers.js'
import { registerApi, type ApiDependencies, type ShutdownControl } from './api.js'
import { registerHealth, type Health, type HealthDependencies } from './health.js'
import type { HttpServers } from './http-servers.js'
import { registerMetrics, type MetricsSource } from './metrics.js'
import { registerOpenApi } from './openapi.js'
import { registerPage } from './page.js'

/** What is answered over HTTP: of one process, or of several that are one server. */
export interface ServerStatus {
  health(): Health | Promise<Health>
  isReady(): boolean | Promise<boolean>
  readonly metrics: MetricsSource
  readonly shutdown: ShutdownControl
}

export interface AppDependencies extends HealthDependencies {
  /** From then on every answer carries `Connection: close`, so that kept-alive connections leave too. */
  readonly isDraining: () => boolean
  /** `undefined`: there is no `/api`. */
  readonly shutdown?: ApiDependencies | undefined
  /** `undefined`: `/metrics` is not found. */
  readonly metrics: MetricsSource | undefined
  /** What it is served by. */
  readonly servers: HttpServers
  /** Whose `X-Forwarded-*` is believed: nobody's, everybody's, or that of these addresses (comma-separated, CIDR too). */
  readonly trustProxy: boolean | string
  /** Of this server, for the OpenAPI document. */
  readonly version: string
  /** A handler failed; the client has been told 500 and no more. Default: nobody is told. */
  readonly onError?: (error: Error) => void
}

/** Nothing here takes a body. */
const MAX_BODY_BYTES = 1024

/** A complete application that does not listen yet. Rejects when the page's files are missing. */
export async function createApp(deps: AppDependencies): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: deps.trustProxy,
    serverFactory: (handler) => deps.servers.create(handler),
    routerOptions: { ignoreTrailingSlash: true },
    // An address that can't be decoded is answered before any hook runs.
    frameworkErrors(error, _request, reply) {
      setCommonHeaders(reply, deps)
      answerError(error, reply, deps.onError)
    },
  })

  // When the answer is written, not when the request came: a shutdown may have begun in between.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    setCommonHeaders(reply, deps)
    done()
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, deps.onError))
  app.setNotFoundHandler((request, reply) => answerNotFound(request, reply, deps.metrics !== undefined))

  await registerOpenApi(app, deps.version)
  await registerPage(app)
  registerHealth(app, deps)
  if (deps.metrics) registerMetrics(app, deps.metrics)
  if (deps.shutdown) await registerApi(app, deps.shutdown)
  registerUpgradeRequired(app)
  await app.ready()
  return app
}

function setCommonHeaders(reply: FastifyReply, deps: AppDependencies): void {
  reply.headers(COMMON_HEADERS)
  if (deps.isDraining()) reply.header('connection', reply.hasHeader('upgrade') ? 'Upgrade, close' : 'close')
}

function answerError(error: FastifyError, reply: FastifyReply, onError: AppDependencies['onError']): FastifyReply {
  const statusCode = error.statusCode ?? 500
  if (statusCode < 500) return reply.code(statusCode).send(errorAnswer(statusCode, error.message))
  onError?.(error)
  return reply.code(500).send(errorAnswer(500, 'Something went wrong on our side.'))
}

function answerNotFound(request: FastifyRequest, reply: FastifyReply, hasMetrics: boolean): FastifyReply {
  const probes = hasMetrics ? '/health, /ready, /metrics' : '/health, /ready'
  const known = `the page /, ${probes}, /docs, /openapi.json, and WebSockets at /ws/{clientId}`
  const [path = ''] = request.url.slice(0, 200).split('?')
  return reply.code(404).send(errorAnswer(404, `Nothing answers ${request.method} ${path}. There is ${known}.`))
}

/** Somebody opened a WebSocket's address in a browser, or a proxy has lost the `Upgrade` header. Says so. */
function registerUpgradeRequired(app: FastifyInstance): void {
  const message =
    'This is a WebSocket endpoint: connect with a WebSocket client, for example ' +
    '`wscat -c ws://HOST/ws/anna`, or open / in a browser. If you did, a proxy in between has dropped the Upgrade header.'
  const schema = {
    tags: ['websocket'],
    summary: 'Talk: WebSockets only, see above',
    response: {
      101: { description: 'What a WebSocket handshake is answered with.', type: 'null' },
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
