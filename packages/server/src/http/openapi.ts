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
lastcall is a WebSocket broadcast server that closes like a good bar: everybody is told, everybody finishes, nobody is
thrown out.

## The WebSocket endpoint

Connect to \`/ws/{clientId}\` (1–64 of \`a-z A-Z 0-9 _ -\`), or to \`/ws\` and be given a name:

\`\`\`
wscat -s lastcall.v1 -c ws://localhost:8000/ws/anna
\`\`\`

Every frame is one JSON object with a \`type\`. The first one is \`welcome\`; it carries \`session\` (proves that a
returning client is the same one) and \`cursor\`. Say something with
\`{"type":"message","id":"1","data":"Hello"}\`: the others receive a \`message\`, you receive an \`ack\` with its
\`offset\` once it is in the journal. \`direct\` speaks to one client, \`subscribe\` and \`unsubscribe\` choose channels,
\`ping\` is answered with \`pong\`, behind everything that was there to say when it came.

| query | meaning |
| --- | --- |
| \`cursor=EPOCH:OFFSET\` | resume after that entry: the epoch of \`welcome.cursor\`, the highest offset received |
| \`session\` | what an earlier \`welcome\` gave |
| \`channels=a,b\` | channels to be in besides \`lobby\` |
| \`token\` | a JWT, where authentication is configured; also as \`Authorization: Bearer\` |

With the subprotocol \`lastcall.v1\` every text must be one of the protocol's messages. Without it, a text that is not one
of them is a message to \`lobby\`.

| close code | meaning | come back? |
| --- | --- | --- |
| 1000 | you asked for it | no |
| 1001, 1012 | the server is shutting down | yes, with the cursor |
| 1003 | invalid clientId, or a binary frame | no |
| 1007, 1009 | not UTF-8; too large | no |
| 1008 | no, wrong or expired token; abuse | with a new token |
| 1013 | no room left, or the handshake could not be checked now | later |
| 4001 | taken over by a newer connection of the same client | no |
| 4008 | too slow: what was not read is no longer kept | yes, without the cursor |
| 4009 | this clientId is in use by somebody else | no |
| 4010 | the journal was replaced: \`recovered\` will be false | yes, with the cursor |
`.trim()

/** Swagger UI brings its styles as attributes and its icons as data. Nothing leaves this origin. */
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
