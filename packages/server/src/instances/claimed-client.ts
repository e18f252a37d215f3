/** A client that this instance has admitted, and the claim that other instances read. */
import { hash } from 'node:crypto'
import type { Claim, Release } from '../journal/journal.js'

export interface ClaimedClient extends Release {
  readonly session: string
  /** This instance verified a token for the clientId. */
  readonly hasToken: boolean
  /** The client migrates from another instance, and leaves that one by itself. */
  readonly isMoving: boolean
  /** The offset up to which this instance had read the journal when it admitted the client. */
  readonly admittedAt: number
}

export const claimFor = ({
  clientId,
  connectionId,
  session,
  hasToken,
  isMoving,
  admittedAt,
}: ClaimedClient): Claim => ({
  clientId,
  connectionId,
  sessionHash: hashOfSession(session),
  hasToken,
  isMoving,
  admittedAt,
})

/** A hash of 132 bits, so that a reader of the journal cannot find the session. */
export const hashOfSession = (session: string): string => hash('sha256', session, 'base64url').slice(0, 22)
