/** The reasons why a file journal cannot be used, in words that a person can act upon. */
import { LastcallError } from '../errors.js'

export const ELSEWHERE = 'Name another directory in JOURNAL_URL.'
export const RESTORE = 'Restore the directory from a backup, or move it away: the server then begins an empty journal.'

export const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

/** Whether the error says that a file or directory does not exist. */
export const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT'

/**
 * The codes of a disk that was remounted read-only, or whose owner was changed. A person can undo that while the server
 * runs.
 */
const PERMISSION_CODES: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM', 'EROFS'])

export function unusable(path: string, found: string, advice: string, cause?: unknown): LastcallError {
  return new LastcallError('journal_unusable', `cannot use the journal ${path}: ${found}. ${advice}`, { cause })
}

/** @param position The position in the file where the bytes are not those that were written. */
export function damaged({ path }: { readonly path: string }, position: number, found: string): LastcallError {
  return unusable(path, `it is damaged at byte ${position}: ${found}`, RESTORE)
}

/** A file of the journal is missing or is not usable. */
export function broken(path: string, found: string, cause?: unknown): LastcallError {
  return unusable(path, found, RESTORE, cause)
}

export function unavailable(path: string, why: string, cause?: unknown): LastcallError {
  const message = `the journal ${path} cannot be read or written at the moment: ${why}`
  return new LastcallError('journal_unavailable', message, { temporary: true, cause })
}

/** Whether an open journal stays unavailable until a person has restarted the server. */
export const isBeyondRepair = (error: LastcallError): boolean =>
  error.code === 'journal_unusable' && !PERMISSION_CODES.has(codeOf(error.cause))

/** Turns an error of the system into one that a person can act upon. */
export function explain(path: string, error: unknown): LastcallError {
  if (error instanceof LastcallError) return error
  const code = codeOf(error)
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return unusable(
        path,
        `no permission (${code})`,
        'Let this user read and write it, or name another directory in JOURNAL_URL.',
        error,
      )
    case 'ENOTDIR':
    case 'EEXIST':
    case 'EISDIR':
      return unusable(path, 'a journal is a directory, and this is a file', ELSEWHERE, error)
    default:
      return unavailable(path, error instanceof Error ? error.message : String(error), error)
  }
}
