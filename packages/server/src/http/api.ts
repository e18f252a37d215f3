/**
 * `/api`: requests that an operator sends with the ADMIN_TOKEN. This file owns the routes of the shutdown; the shutdown itself
 * is passed in.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, onRequestAsyncHookHandler } from 'fastify'
import * as z from 'zod'
import { ERROR_ANSWER_SCHEMA, errorAnswer } from './answers.js'
import type { AddressReader } from './client-address.js'
import { GuessLimit } from './guess-limit.js'
import { registerInstances, type InstanceStatus } from './instances-api.js'

/** What the API needs of a shutdown. */
export interface ShutdownControl {
  status(): ShutdownStatus | Promise<ShutdownStatus>
  /** `false`: the present state of the server allows no start of a shutdown. */
  begin(why: string, request: ShutdownBody): boolean | Promise<boolean>
  /** `false`: the present state of the server allows no cancellation. */
  cancel(why: string): boolean | Promise<boolean>
}

export interface ShutdownStatus {
  readonly state: string
  readonly remainingMs: number
  /** The report so far; `undefined` without a shutdown. */
  readonly report: object | undefined
}

export interface ApiDependencies {
  /** The client sends it as `Authorization: Bearer …` (RFC 6750). */
  readonly token: string
  readonly shutdown: ShutdownControl
  /** The instances that share the journal, this one included. */
  readonly instances: () => readonly InstanceStatus[]
  readonly addressOf: AddressReader
  /** The monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** A client sent a wrong token. Called once per address and minute, and once more when the address exceeds the limit. */
  readonly onWrongToken?: ((address: string | undefined, isBlocked: boolean) => void) | undefined
}

const WHY = 'api'
const MAX_TIMEOUT_SECONDS = 604_800

/** The body of `POST /api/shutdown`; a request without a body takes the configured values. */
const SHUTDOWN_BODY = z.strictObject({
  timeoutSeconds: z.number().min(0).max(MAX_TIMEOUT_SECONDS).exactOptional(),
  mode: z.enum(['wait', 'migrate']).exactOptional(),
})

type ShutdownBody = z.infer<typeof SHUTDOWN_BODY>

const STATUS_SCHEMA = {
  type: 'object',
  required: ['state', 'remainingSeconds', 'report'],
  properties: {
    state: { type: 'string', enum: ['starting', 'serving', 'draining', 'closing', 'closed'] },
    remainingSeconds: {
      type: 'number',
      description: 'Until the server closes the remaining connections; 0 without a shutdown.',
    },
    report: {
      description: 'The report so far; null without a shutdown.',
      anyOf: [{ type: 'object', additionalProperties: true }, { type: 'null' }],
    },
  },
} as const

const schema = (description: string, more: object = {}): object => ({
  description,
  tags: ['shutdown'],
  security: [{ adminToken: [] }],
  response: {
    '2xx': STATUS_SCHEMA,
    401: ERROR_ANSWER_SCHEMA,
    409: ERROR_ANSWER_SCHEMA,
    429: {
      description: 'Too many wrong tokens from this address. The server still accepts the right one.',
      ...ERROR_ANSWER_SCHEMA,
    },
  },
  ...more,
})

export async function registerApi(app: FastifyInstance, deps: ApiDependencies): Promise<void> {
  const { shutdown: control, instances } = deps
  const status = async (): Promise<object> => {
    const { state, remainingMs, report = null } = await control.status()
    return { state, remainingSeconds: remainingMs / 1000, report }
  }
  const conflict = async (wish: string): Promise<object> => {
    const { state } = await control.status()
    return errorAnswer(409, `${wish} while the server is ${state}.`)
  }

  await app.register((api, _options, done) => {
    api.addHook('onRequest', tokenCheck(deps))
    registerInstances(api, instances)
    api.get('/api/shutdown', { schema: schema('Reports the progress of a shutdown.') }, status)
    api.post(
      '/api/shutdown',
      { schema: schema('Starts a shutdown.', { body: schemaOf(SHUTDOWN_BODY.nullable()) }) },
      async (request, reply) => {
        const body = SHUTDOWN_BODY.safeParse(request.body ?? {})
        if (!body.success) return reply.code(400).send(errorAnswer(400, problemsOf(body.error)))
        if (await control.begin(WHY, body.data)) return reply.code(202).send(await status())
        return reply.code(409).send(await conflict('The server cannot start a shutdown'))
      },
    )
    api.delete(
      '/api/shutdown',
      { schema: schema('Cancels a shutdown while the server still waits for clients.') },
      async (_request, reply) => {
        if (await control.cancel(WHY)) return reply.send(await status())
        return reply.code(409).send(await conflict('The server has no shutdown that it can cancel'))
      },
    )
    done()
  })
}

/** A zod schema in the form of the OpenAPI document. */
function schemaOf(schema: z.ZodType): object {
  return Object.fromEntries(Object.entries(z.toJSONSchema(schema)).filter(([name]) => name !== '$schema'))
}

/** All problems of a body, each with the path of its field. */
const problemsOf = ({ issues }: z.ZodError): string =>
  issues.map(({ path, message }) => [...path, message].map(String).join(': ')).join('; ')

/** The server always accepts the right token: guesses from the same address must not lock the operator out. */
function tokenCheck({ token, addressOf, monotonic, onWrongToken }: ApiDependencies): onRequestAsyncHookHandler {
  const expected = digest(token)
  const limit = new GuessLimit()
  return async (request, reply) => {
    const given = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (timingSafeEqual(digest(given ?? ''), expected)) return
    if (given !== undefined) {
      const address = addressOf(request.raw)
      const { retryInMs, isWorthALine } = limit.take(address, monotonic())
      if (isWorthALine) onWrongToken?.(address, retryInMs > 0)
      if (retryInMs > 0) {
        await reply
          .code(429)
          .header('retry-after', Math.ceil(retryInMs / 1000))
          .send(errorAnswer(429, 'This address has sent too many wrong tokens. Send the right one, or wait.'))
        return
      }
    }
    await reply
      .code(401)
      .header('www-authenticate', 'Bearer')
      .send(errorAnswer(401, 'Send the ADMIN_TOKEN as Authorization: Bearer …'))
  }
}

/** A hash has one length for every input, so the duration of the comparison reveals nothing about the token. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
