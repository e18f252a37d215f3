/**
 * `/api`: a shutdown from afar, for whoever has the ADMIN_TOKEN. Only the asking and answering; what a shutdown is, is
 * the shutdown's business.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ERROR_ANSWER_SCHEMA, errorAnswer } from './answers.js'

/** What the API needs of a shutdown. */
export interface ShutdownControl {
  status(): ShutdownStatus | Promise<ShutdownStatus>
  /** `false`: it can't be begun now. */
  begin(why: string, request: ShutdownBody): boolean | Promise<boolean>
  /** `false`: it can't be called off now. */
  cancel(why: string): boolean | Promise<boolean>
}

export interface ShutdownStatus {
  readonly state: string
  readonly remainingMs: number
  /** What has happened so far; `undefined` without a shutdown. */
  readonly report: object | undefined
}

interface ShutdownBody {
  readonly timeoutSeconds?: number
  readonly mode?: 'wait' | 'migrate'
}

export interface ApiDependencies {
  /** Must be presented as `Authorization: Bearer …` (RFC 6750). */
  readonly token: string
  readonly control: ShutdownControl
}

const WHY = 'api'
const MAX_TIMEOUT_SECONDS = 604_800

const STATUS_SCHEMA = {
  type: 'object',
  required: ['state', 'remainingSeconds', 'report'],
  properties: {
    state: { type: 'string', enum: ['starting', 'serving', 'draining', 'closing', 'closed'] },
    remainingSeconds: { type: 'number', description: 'Until whoever is left will be closed; 0 without a shutdown.' },
    report: {
      description: 'What has happened so far, to whom; null without a shutdown.',
      anyOf: [{ type: 'object', additionalProperties: true }, { type: 'null' }],
    },
  },
} as const

const BODY_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    timeoutSeconds: { type: 'number', minimum: 0, maximum: MAX_TIMEOUT_SECONDS },
    mode: { type: 'string', enum: ['wait', 'migrate'] },
  },
} as const

const schema = (description: string, more: object = {}): object => ({
  description,
  tags: ['shutdown'],
  security: [{ adminToken: [] }],
  response: { '2xx': STATUS_SCHEMA, 401: ERROR_ANSWER_SCHEMA, 409: ERROR_ANSWER_SCHEMA },
  ...more,
})

export async function registerApi(app: FastifyInstance, { token, control }: ApiDependencies): Promise<void> {
  const expected = digest(token)
  const isAllowed = ({ headers }: FastifyRequest): boolean =>
    timingSafeEqual(digest(/^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''), expected)
  const status = async (): Promise<object> => {
    const { state, remainingMs, report = null } = await control.status()
    return { state, remainingSeconds: remainingMs / 1000, report }
  }
  const conflict = async (wish: string): Promise<object> => {
    const { state } = await control.status()
    return errorAnswer(409, `${wish} while the server is ${state}`)
  }

  await app.register((api, _options, done) => {
    api.addHook('onRequest', async (request, reply) => {
      if (isAllowed(request)) return
      await reply
        .code(401)
        .header('www-authenticate', 'Bearer')
        .send(errorAnswer(401, 'The ADMIN_TOKEN is needed, as Authorization: Bearer …'))
    })
    api.get('/api/shutdown', { schema: schema('How a shutdown is going.') }, status)
    api.post<{ Body: ShutdownBody | null }>(
      '/api/shutdown',
      { schema: schema('Begins a shutdown.', { body: { anyOf: [BODY_SCHEMA, { type: 'null' }] } }) },
      async (request, reply) => {
        if (await control.begin(WHY, request.body ?? {})) return reply.code(202).send(await status())
        return reply.code(409).send(await conflict('A shutdown cannot be begun'))
      },
    )
    api.delete(
      '/api/shutdown',
      { schema: schema('Calls a shutdown off, while clients are still being waited for.') },
      async (_request, reply) => {
        if (await control.cancel(WHY)) return reply.send(await status())
        return reply.code(409).send(await conflict('Nothing can be called off'))
      },
    )
    done()
  })
}

/** Of one length whatever was given, so that comparing tells nothing of it. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
