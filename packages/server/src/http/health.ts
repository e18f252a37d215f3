/**
 * `/health` and `/ready`. `/health` answers 200 also during a drain: a failing liveness probe would make the orchestrator kill
 * the server. `/ready` answers 503 as soon as a drain starts, so that load balancers send new clients elsewhere.
 */
import type { FastifyInstance } from 'fastify'

/** The answer of `/health`. */
export interface Health {
  readonly status: 'healthy' | 'draining'
  readonly activeConnections: number
  readonly shutdownInProgress: boolean
  readonly uptimeSeconds: number
  readonly version: string
  /** BUILD. */
  readonly build: string
  /** The id of this instance, as in `welcome`. */
  readonly node: string
  readonly journal: 'up' | 'down'
  /** With WORKERS: how many workers were asked, and how many answered in time. The other fields aggregate those answers. */
  readonly workers?: { readonly asked: number; readonly answered: number; readonly silent: number }
}

export interface HealthDependencies {
  readonly health: () => Health | Promise<Health>
  /** Whether load balancers should send new clients here. */
  readonly isReady: () => boolean | Promise<boolean>
  /** Whether this process accepts new clients. With WORKERS other processes may still accept them. */
  readonly isDraining: () => boolean
}

const HEALTH_SCHEMA = {
  description: 'The process runs, also during a drain.',
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
    build: { type: 'string', description: 'The version that the instance runs (BUILD).' },
    node: { type: 'string', description: 'The id of this instance.' },
    journal: { type: 'string', enum: ['up', 'down'] },
    workers: {
      description: 'With WORKERS: how many workers were asked, and how many answered in time.',
      type: 'object',
      required: ['asked', 'answered', 'silent'],
      additionalProperties: false,
      properties: {
        asked: { type: 'integer', minimum: 0 },
        answered: { type: 'integer', minimum: 0 },
        silent: {
          type: 'integer',
          minimum: 0,
          description: 'Workers that do not answer; the primary replaces them after WORKER_TIMEOUT.',
        },
      },
    },
  },
} as const

const READY_SCHEMA = {
  description: 'The server accepts new clients.',
  type: 'object',
  required: ['status'],
  additionalProperties: false,
  properties: { status: { type: 'string', enum: ['ready'] } },
} as const

const NOT_READY_SCHEMA = {
  description: 'The server accepts no new clients: send them elsewhere.',
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
      schema: {
        tags: ['probes'],
        summary: 'Liveness, and the state of this instance',
        response: { 200: HEALTH_SCHEMA },
      },
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
