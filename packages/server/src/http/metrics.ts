/**
 * `/metrics`, in the format of its registry. This file knows no metrics library: a registry is anything that can write its
 * metrics as text.
 */
import type { FastifyInstance } from 'fastify'

/** The content type of version 0.0.4 of Prometheus's text format. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** The part of prom-client's `Registry` that the route needs. */
export interface MetricsSource {
  /** The value of `Content-Type`. */
  readonly contentType: string
  /** All metrics as text. */
  metrics(): Promise<string>
}

export function registerMetrics(app: FastifyInstance, source: MetricsSource): void {
  app.get(
    '/metrics',
    {
      schema: {
        tags: ['probes'],
        summary: 'The metrics of the server, for Prometheus',
        response: {
          200: {
            description: 'The Prometheus text format.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
        },
      },
    },
    async (_request, reply) => {
      const text = await source.metrics()
      return reply.header('cache-control', 'no-store').type(source.contentType).send(text)
    },
  )
}
