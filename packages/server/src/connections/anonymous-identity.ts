/** The identity of a client of which an application gives only the name. */
import { systemRandomness } from '../randomness.js'
import type { ConnectionIdentity } from './connection.js'

export const anonymousIdentity = (clientId: string): ConnectionIdentity => ({
  clientId,
  connectionId: systemRandomness.uuid(),
  session: '',
  hasToken: false,
  admittedAt: 0,
  isMoving: false,
  locale: 'uk',
  strict: false,
  expiresAtMs: Infinity,
  allowedChannels: undefined,
})
