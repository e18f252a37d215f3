/**
 * The identity of a client in tests of single parts: a client without a token, in Ukrainian, of the dialect that is not strict.
 */
import type { ConnectionIdentity } from '../../src/connections/connection.js'

export const identityOf = (clientId: string, some: Partial<ConnectionIdentity> = {}): ConnectionIdentity => ({
  clientId,
  connectionId: `connection of ${clientId}`,
  session: '',
  locale: 'uk',
  strict: false,
  expiresAtMs: Infinity,
  hasToken: false,
  admittedAt: 0,
  isMoving: false,
  allowedChannels: undefined,
  ...some,
})
