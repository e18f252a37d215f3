/** `GET /api/instances`: the instances that share the journal, as the asked one knows them. */
import type { FastifyInstance } from 'fastify'
import { ERROR_ANSWER_SCHEMA } from './answers.js'

export interface InstanceStatus {
  readonly node: string
  readonly build: string
  readonly state: string
  /** Clients connected to it, when it announced itself last. */
  readonly connections: number
  /** Milliseconds from its newest append to the return of that entry. */
  readonly lagMs: number
  /** By its own clock: milliseconds since 1970. */
  readonly startedAtMs: number
}

const INSTANCE_SCHEMA = {
  type: 'object',
  required: ['node', 'build', 'state', 'connections', 'lagMs', 'startedAt'],
  properties: {
    node: { type: 'string', description: 'The id of the instance, as in `welcome`.' },
    build: { type: 'string', description: 'What it runs (BUILD).' },
    state: { type: 'string', enum: ['starting', 'ready', 'draining'] },
    connections: { type: 'integer', description: 'Clients connected to it, as it announced last.' },
    lagMs: { type: 'integer', description: 'From its newest append to the return of that entry.' },
    startedAt: { type: 'string', format: 'date-time', description: 'By its own clock.' },
  },
} as const

const SCHEMA = {
  description:
    'The instances that share the journal. An instance that was killed is listed until INSTANCE_TIMEOUT has passed.',
  tags: ['instances'],
  security: [{ adminToken: [] }],
  response: {
    200: {
      type: 'object',
      required: ['instances'],
      properties: { instances: { type: 'array', items: INSTANCE_SCHEMA } },
    },
    401: ERROR_ANSWER_SCHEMA,
    429: ERROR_ANSWER_SCHEMA,
  },
} as const

export function registerInstances(api: FastifyInstance, instances: () => readonly InstanceStatus[]): void {
  api.get('/api/instances', { schema: SCHEMA }, () => ({
    instances: instances().map(({ startedAtMs, ...instance }) => ({
      ...instance,
      startedAt: new Date(startedAtMs).toISOString(),
    })),
  }))
}
