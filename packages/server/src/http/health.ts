/**
 * `/health` and `/ready`. Liveness stays 200 while draining: a probe must not kill a server that is letting its clients
 * finish. Readiness turns 503 at once: no new clients, please.
 */
import type { FastifyInstance } from 'fastify'

/** The answer of `/health`. */
export interface Health {
  readonly status: 'healthy' | 'draining'
  readonly activeConnections: number
  readonly shutdownInProgress: boolean
  readonly uptimeSeconds: number
  readonly version: string
  /** BUILD: what a deploy changes. */
  readonly build: string
  /** The name of this instance, as in `welcome`. */
  readonly node: string
  readonly journal: 'up' | 'down'
  /** With WORKERS: of how many processes this was asked, and how many answered in time. What is said is of those. */
  readonly workers?: { readonly asked: number; readonly answered: number; readonly silent: number }
}

export interface HealthDependencies {
  readonly health: () => Health | Promise<Health>
  /** Whether new clients should be sent here. */
  readonly isReady: () => boolean | Promise<boolean>
  /** Whether this process is: the others of a whole may not be. */
  readonly isDraining: () => boolean
}

const HEALTH_SCHEMA = {
  description: 'The process lives; also while draining.',
  type: 'object',
  required: [
    'status',
    'activeConnections',
    'shutdownInProgress',
    'uptimeSeconds',
    'version',
    'build',
    'node',
    'journal',
  ],
  additionalProperties: false,
  properties: {
    status: { type: 'string', enum: ['healthy', 'draining'] },
    activeConnections: { type: 'integer', minimum: 0 },
    shutdownInProgress: { type: 'boolean' },
    uptimeSeconds: { type: 'number', minimum: 0 },
    version: { type: 'string' },
    build: { type: 'string', description: 'What a deploy changes.' },
    node: { type: 'string', description: 'The name of this instance.' },
    journal: { type: 'string', enum: ['up', 'down'] },
    workers: {
      description: 'With WORKERS: how many processes were asked, and how many answered in time.',
      type: 'object',
      required: ['asked', 'answered', 'silent'],
      additionalProperties: false,
      properties: {
        asked: { type: 'integer', minimum: 0 },
        answered: { type: 'integer', minimum: 0 },
        silent: {
          type: 'integer',
          minimum: 0,
          description: 'Workers that give no sign of life; after WORKER_TIMEOUT they are replaced.',
        },
      },
    },
  },
} as const

const READY_SCHEMA = {
  description: 'New clients are welcome.',
  type: 'object',
  required: ['status'],
  additionalProperties: false,
  properties: { status: { type: 'string', enum: ['ready'] } },
} as const

const NOT_READY_SCHEMA = {
  description: 'Send new clients elsewhere.',
  type: 'object',
  required: ['status', 'reason'],
  additionalProperties: false,
  properties: {
    status: { type: 'string', enum: ['not ready'] },
    reason: { type: 'string', enum: ['shutting down', 'journal down', 'starting'] },
  },
} as const

export function registerHealth(app: FastifyInstance, deps: HealthDependencies): void {
  app.get(
    '/health',
    {
      schema: { tags: ['probes'], summary: 'Liveness, and what this instance does', response: { 200: HEALTH_SCHEMA } },
    },
    async (_request, reply) => reply.header('cache-control', 'no-store').send(await deps.health()),
  )
  app.get(
    '/ready',
    {
      schema: {
        tags: ['probes'],
        summary: 'Readiness: whether to send new clients here',
        response: { 200: READY_SCHEMA, 503: NOT_READY_SCHEMA },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      if (await deps.isReady()) return reply.send({ status: 'ready' })
      return reply.code(503).send({ status: 'not ready', reason: await reasonNotReady(deps) })
    },
  )
}

async function reasonNotReady(deps: HealthDependencies): Promise<string> {
  if (deps.isDraining()) return 'shutting down'
  const { shutdownInProgress, journal } = await deps.health()
  return shutdownInProgress ? 'shutting down' : journal === 'down' ? 'journal down' : 'starting'
}
