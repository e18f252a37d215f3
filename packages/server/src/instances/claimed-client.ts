/** A client that this instance has admitted, and the claim that other instances read. */
import { hash } from 'node:crypto'
import type { Claim, Release } from '../journal/journal.js'

export interface ClaimedClient extends Release {
  readonly session: string
  /** This instance verified a token for this clientId. */
  readonly hasToken: boolean
  /** The client comes from another instance, which it leaves by itself. */
  readonly isMoving: boolean
  /** How far this instance had read the journal when it admitted the client: an offset. */
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

/** 132 bits: whoever reads the journal cannot find the session. */
export const hashOfSession = (session: string): string => hash('sha256', session, 'base64url').slice(0, 22)
