/**
 * What Fastify makes of the schemas of routes: nothing. They describe the routes in the OpenAPI document; zod checks the
 * bodies, and answers have the shape that their handlers give them. Fastify's own compilers take as long to load as the
 * rest of the server, and a start would wait for them.
 */
import type { FastifyServerOptions } from 'fastify'

type SchemaController = NonNullable<FastifyServerOptions['schemaController']>
type ValidatorFactory = NonNullable<NonNullable<SchemaController['compilersFactory']>['buildValidator']>

/** Accepts everything. Fastify's type names the functions of Ajv; Fastify itself calls any function. */
const buildValidator = (() => () => () => true) as unknown as ValidatorFactory

export const SCHEMA_CONTROLLER: SchemaController = {
  compilersFactory: { buildValidator, buildSerializer: () => () => (data) => JSON.stringify(data) },
}
