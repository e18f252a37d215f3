/**
 * The one class of errors that lastcall throws or rejects with. Callers match `code`, never the message. A mistake of a client
 * is a value and not an error: see the protocol package.
 */

/** Every code, and when it occurs. */
export type LastcallErrorCode =
  /**
   * The journal could not take the entries, for example because its disk is full or its server is down. The entries may
   * still appear later.
   */
  | 'journal_unavailable'
  /** An entry is larger than the journal retains (HISTORY_BYTES). */
  | 'entry_too_large'
  /**
   * The journal's file or server contains data of another program, is damaged, or was written by an incompatible
   * version.
   */
  | 'journal_unusable'
  /** The configuration has problems; the message lists all of them. */
  | 'config_invalid'
  /** An argument of a method has a wrong type or value. */
  | 'invalid_argument'
  /** A method was called in a state that does not allow it. */
  | 'wrong_state'

export interface LastcallErrorOptions {
  /** Whether the same call may succeed later. Default: false. */
  readonly temporary?: boolean
  readonly cause?: unknown
}

export class LastcallError extends Error {
  readonly code: LastcallErrorCode
  readonly temporary: boolean

  constructor(code: LastcallErrorCode, message: string, { temporary = false, cause }: LastcallErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'LastcallError'
    this.code = code
    this.temporary = temporary
  }
}
