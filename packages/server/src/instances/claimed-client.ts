/** A client that this instance has admitted, and the claim that other instances read. */
import { hash } from 'node:crypto'
import type { Claim, Release } from '../journal/journal.js'

export interface ClaimedClient extends Release {
  readonly session: string
  /** This instance verified a token for this clientId. */
  readonly hasToken: boolean
  /** The client comes from another instance, which it leaves by itself. */
  readonly isMoving: boolean
}

export const claimFor = ({ clientId, connectionId, session, hasToken, isMoving }: ClaimedClient): Claim => ({
  clientId,
  connectionId,
  sessionHash: hashOfSession(session),
  hasToken,
  isMoving,
})

/** 132 bits: whoever reads the journal cannot find the session. */
export const hashOfSession = (session: string): string => hash('sha256', session, 'base64url').slice(0, 22)
