/**
 * `/docs` and `/openapi.json`: the document describes the HTTP routes by their own schemas and, in prose, the WebSocket
 * endpoint, which OpenAPI cannot express.
 */
import { readFile } from 'node:fs/promises'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { PAGE_FOLDER } from './page.js'

const DESCRIPTION = `
lastcall is a WebSocket broadcast server. When it shuts down, it warns its clients, serves them until they have
moved or the deadline comes, and loses no acknowledged message.

## The WebSocket endpoint

Connect to \`/ws/{clientId}\` (1–64 of \`a-z A-Z 0-9 _ -\`), or to \`/ws\`, where the server chooses the name:

\`\`\`
wscat -s lastcall.v1 -c ws://localhost:8000/ws/anna
\`\`\`

Every frame is one JSON object with a \`type\`. The first one is \`welcome\`. It contains \`session\`, with which a client
that reconnects proves that it is the same client, and \`cursor\`. To publish, send
\`{"type":"message","id":"1","data":"Hello"}\`: the other subscribers receive a \`message\`, and you receive an \`ack\` with
its \`offset\` once the message is in the journal. \`direct\` publishes to one client. \`subscribe\` and \`unsubscribe\`
choose channels. The server answers \`ping\` with \`pong\` after everything that was due to the client when the ping arrived.

| query | meaning |
| --- | --- |
| \`cursor=EPOCH:OFFSET\` | resume after that entry: the epoch of \`welcome.cursor\`, the highest offset received |
| \`session\` | the value in an earlier \`welcome\` |
| \`channels=a,b\` | channels to subscribe to besides \`lobby\` |
| \`token\` | a JWT, where authentication is configured; also as \`Authorization: Bearer\` |

With the subprotocol \`lastcall.v1\` every text must be one of the protocol's messages. Without it, the server publishes
any other text to \`lobby\`.

| close code | meaning | reconnect? |
| --- | --- | --- |
| 1000 | the client closed the connection | no |
| 1001, 1012 | the server is shutting down | yes, with the cursor |
| 1003 | invalid clientId, or a binary frame | no |
| 1007, 1009 | not UTF-8; too large | no |
| 1008 | missing, wrong or expired token; abuse | with a new token |
| 1013 | the server is full, or could not check the handshake | later |
| 4001 | a newer connection of the same client replaced this one | no |
| 4008 | too slow: the server has evicted entries that the client has not received | yes, without the cursor |
| 4009 | another client uses this clientId | no |
| 4010 | the journal was replaced: \`recovered\` will be false | yes, with the cursor |
`.trim()

/** Swagger UI uses style attributes and icons in data URLs. The page loads nothing from other origins. */
const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Must be called before the routes are registered, which the document describes. `version` is this server's. */
async function registerOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'lastcall', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
      // Relative to the address from which the document was fetched, behind any proxy.
      servers: [{ url: '/' }],
      tags: [
        { name: 'page', description: 'For people' },
        { name: 'probes', description: 'For load balancers, orchestrators and Prometheus' },
        { name: 'websocket', description: 'For clients' },
        { name: 'shutdown', description: 'For an operator with the ADMIN_TOKEN; absent where none is set' },
      ],
      components: { securitySchemes: { adminToken: { type: 'http', scheme: 'bearer' } } },
    },
  })
}

/**
 * Makes `app` the application that serves the document and its page.
 *
 * @param registerRoutes Registers the routes that the document describes.
 */
export async function registerDocs(
  app: FastifyInstance,
  version: string,
  registerRoutes: (app: FastifyInstance) => Promise<void>,
): Promise<void> {
  await registerOpenApi(app, version)
  await registerRoutes(app)
  const icon = await readFile(new URL('icon.svg', PAGE_FOLDER), 'utf8')
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    logo: { type: 'image/svg+xml', content: icon },
    theme: {
      title: 'lastcall: the API',
      favicon: [{ filename: 'icon.svg', rel: 'icon', type: 'image/svg+xml', sizes: 'any', content: icon }],
    },
    uiConfig: { deepLinking: true, validatorUrl: null },
  })
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) =>
    reply.header('cache-control', 'no-cache').send(app.swagger()),
  )
}
