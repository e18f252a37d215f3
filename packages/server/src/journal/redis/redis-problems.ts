/** The meaning of a Redis server's errors for an operator, and the facts in its INFO that concern a journal. */
import { LastcallError, type LastcallErrorCode } from '../../errors.js'
import { replyCode } from './redis-link.js'

/** The server does not fit: the key has another type, the protocol differs, or the version is too old. */
export class StreamBroken extends Error {}

/** JOURNAL_URL is wrong. Only a changed configuration helps. */
class Misconfigured extends Error {}

/** The permissions that the user of a journal needs, in the notation of ACL SETUSER. */
const PERMISSIONS =
  '+info +xadd +xread +xrange +xrevrange +xtrim +xinfo|stream +multi +exec +select, and the key of the journal'

/** The meaning of an error reply, by its first word, if a retry does not help. */
const PERMANENT_REPLIES: Readonly<Record<string, { readonly code: LastcallErrorCode; readonly meaning: string }>> = {
  WRONGPASS: { code: 'config_invalid', meaning: 'it refuses the user or the password' },
  NOAUTH: { code: 'config_invalid', meaning: 'it asks for a password, and JOURNAL_URL holds none' },
  NOPERM: { code: 'config_invalid', meaning: `the user lacks a permission; it needs ${PERMISSIONS}` },
  WRONGTYPE: { code: 'journal_unusable', meaning: 'the key holds another type than a stream' },
}

/** The same for replies without a word of their own, by a part of their text. */
const PERMANENT_TEXTS: readonly { readonly part: string; readonly meaning: string }[] = [
  { part: 'without any password configured', meaning: 'it has no password, and JOURNAL_URL holds one' },
  { part: 'DB index is out of range', meaning: 'it has no database of this number' },
  { part: 'SELECT is not allowed in cluster mode', meaning: 'a cluster has only database 0' },
]

/** The codes of TLS errors for which a retry does not help. */
const TLS_CODES: ReadonlySet<unknown> = new Set([
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/**
 * Turns an error into the one that the log and the operator get: `config_invalid` or `journal_unusable` if a retry does
 * not help, and otherwise the temporary `journal_unavailable`.
 *
 * @param where The server, without credentials.
 */
export function explain(error: unknown, where: string): LastcallError {
  if (error instanceof LastcallError) return error
  const reason = error instanceof Error ? error.message || error.name : String(error)
  const permanent = (code: LastcallErrorCode, meaning: string): LastcallError =>
    new LastcallError(code, `${where}: ${meaning} (${reason})`, { cause: error })
  const reply = replyCode(error)
  const known = reply === undefined ? undefined : PERMANENT_REPLIES[reply]
  if (known) return permanent(known.code, known.meaning)
  const text = reply === undefined ? undefined : PERMANENT_TEXTS.find(({ part }) => reason.includes(part))
  if (text) return permanent('config_invalid', text.meaning)
  if (error instanceof Misconfigured) return new LastcallError('config_invalid', `${where}: ${reason}`)
  if (error instanceof StreamBroken) return new LastcallError('journal_unusable', `${where}: ${reason}`)
  if (TLS_CODES.has(codeOf(error))) return permanent('config_invalid', 'no trusted TLS connection')
  return new LastcallError('journal_unavailable', `${where} cannot be reached or written: ${reason}`, {
    temporary: true,
    cause: error,
  })
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

/** The error for an append. It is temporary: a later append may succeed after an operator has solved the problem. */
export const asUnavailable = (error: LastcallError): LastcallError =>
  error.code === 'journal_unavailable'
    ? error
    : new LastcallError('journal_unavailable', error.message, { temporary: true, cause: error })

/** A file that JOURNAL_URL names cannot be read. */
export const unreadable = (parameter: string, error: unknown): Error =>
  new Misconfigured(`the file of the parameter ${parameter} cannot be read (${String(codeOf(error))})`)

/** Whether the server is a replica, which takes no entries. A failover may be under way. */
export const isReplica = (info: string): boolean => fieldOf(info, 'role') === 'slave'

const OLDEST_MAJOR_VERSION = 7

/**
 * @throws {StreamBroken} The version lacks ids such as `EPOCH-*`. Valkey reports the version of Redis to which it
 *   corresponds.
 */
export function expectVersion(info: string): void {
  const version = fieldOf(info, 'redis_version')
  if (version === undefined || Number.parseInt(version, 10) >= OLDEST_MAJOR_VERSION) return
  throw new StreamBroken(`it is Redis ${version}; the journal needs Redis ${OLDEST_MAJOR_VERSION} or Valkey`)
}

/** Warnings about the server's configuration. None of them prevents the start. */
export function warningsOf(info: string): string[] {
  const policy = fieldOf(info, 'maxmemory_policy')
  const hasLimit = Number(fieldOf(info, 'maxmemory') ?? 0) > 0
  if (!hasLimit || policy === undefined || policy === 'noeviction') return []
  return [
    `its maxmemory-policy is ${policy}: when its memory is full, it may evict the whole journal; set it to noeviction`,
  ]
}

/** The value of a line `name:value` of INFO. */
function fieldOf(info: string, name: string): string | undefined {
  const line = info.split('\r\n').find((each) => each.startsWith(`${name}:`))
  return line?.slice(name.length + 1)
}
