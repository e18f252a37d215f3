/**
 * The secret with which the server signs sessions, as far as the configuration determines it.
 */
import { createHmac } from 'node:crypto'
import type { Config } from './schema.js'

/**
 * SESSION_SECRET, or a secret that is derived from AUTH_SECRET: instances that share AUTH_SECRET then accept each other's
 * sessions. `undefined`: the configuration has neither.
 */
export const configuredSessionSecret = ({ sessionSecret, authSecret }: Config): string | undefined =>
  sessionSecret ??
  (authSecret === undefined
    ? undefined
    : createHmac('sha256', authSecret).update('lastcall sessions').digest('base64url'))
