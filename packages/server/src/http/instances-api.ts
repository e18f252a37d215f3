/** `GET /api/instances`: the instances that share the journal, as the instance that answers knows them. */
import type { FastifyInstance } from 'fastify'
import { ERROR_ANSWER_SCHEMA } from './answers.js'

export interface InstanceStatus {
  readonly node: string
  readonly build: string
  readonly state: string
  /** The number of connected clients in its last announcement. */
  readonly connections: number
  /** Milliseconds from its newest append to the return of that entry. */
  readonly lagMs: number
  /** Milliseconds since 1970, by the clock of that instance. */
  readonly startedAtMs: number
}

const INSTANCE_SCHEMA = {
  type: 'object',
  required: ['node', 'build', 'state', 'connections', 'lagMs', 'startedAt'],
  properties: {
    node: { type: 'string', description: 'The id of the instance, as in `welcome`.' },
    build: { type: 'string', description: 'The version that it runs (BUILD).' },
    state: { type: 'string', enum: ['starting', 'ready', 'draining'] },
    connections: { type: 'integer', description: 'The number of connected clients in its last announcement.' },
    lagMs: { type: 'integer', description: 'From its newest append to the return of that entry.' },
    startedAt: { type: 'string', format: 'date-time', description: 'By the clock of that instance.' },
  },
} as const

const SCHEMA = {
  description:
    'Lists the instances that share the journal. A killed instance stays in the list until INSTANCE_TIMEOUT has passed.',
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
