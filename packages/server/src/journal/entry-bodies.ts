/**
 * The JSON after the header of the entries in which instances share their state. It consists of compact arrays. The
 * reader checks everything, because other builds write to the same journal.
 */
import { isCount, isNames, isText } from './entry-header.js'
import type { Claim, MemberGroup, MembersChange, Release } from './journal.js'

const HAS_TOKEN = 1
const IS_MOVING = 2

type ClaimRow = readonly [
  clientId: string,
  connectionId: string,
  sessionHash: string,
  flags: number,
  admittedAt: number,
]

export const claimRows = (claims: readonly Claim[]): ClaimRow[] =>
  claims.map(({ clientId, connectionId, sessionHash, hasToken, isMoving, admittedAt }) => [
    clientId,
    connectionId,
    sessionHash,
    (hasToken ? HAS_TOKEN : 0) | (isMoving ? IS_MOVING : 0),
    admittedAt,
  ])

export const claimsOf = (value: unknown): Claim[] | undefined =>
  listOf(value, (row) => {
    if (!Array.isArray(row)) return undefined
    const [clientId, connectionId, sessionHash, flags, admittedAt] = row as readonly unknown[]
    if (!isText(clientId) || !isText(connectionId) || !isText(sessionHash)) return undefined
    if (!isCount(flags) || !isCount(admittedAt)) return undefined
    const [hasToken, isMoving] = [(flags & HAS_TOKEN) > 0, (flags & IS_MOVING) > 0]
    return { clientId, connectionId, sessionHash, hasToken, isMoving, admittedAt }
  })

export const releaseRows = (releases: readonly Release[]): (readonly [string, string])[] =>
  releases.map(({ clientId, connectionId }) => [clientId, connectionId])

export const releasesOf = (value: unknown): Release[] | undefined =>
  listOf(value, (row) => {
    if (!Array.isArray(row)) return undefined
    const [clientId, connectionId] = row as readonly unknown[]
    return isText(clientId) && isText(connectionId) ? { clientId, connectionId } : undefined
  })

export const changeRows = (changes: readonly MembersChange[]): (readonly (readonly string[])[])[] =>
  changes.map(({ channels, joined, left }) => [channels, joined, left])

export const changesOf = (value: unknown): MembersChange[] | undefined =>
  listOf(value, (row) => {
    if (!Array.isArray(row)) return undefined
    const [channels, joined, left] = row as readonly unknown[]
    return isNames(channels) && isNames(joined) && isNames(left) ? { channels, joined, left } : undefined
  })

export const groupRows = (groups: readonly MemberGroup[]): (readonly (readonly string[])[])[] =>
  groups.map(({ channels, clients }) => [channels, clients])

export const groupsOf = (value: unknown): MemberGroup[] | undefined =>
  listOf(value, (row) => {
    if (!Array.isArray(row)) return undefined
    const [channels, clients] = row as readonly unknown[]
    return isNames(channels) && isNames(clients) ? { channels, clients } : undefined
  })

/** The fields of a body. A text that is not a JSON object has none. */
export function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** `undefined`: the value is no list, or one of its items is invalid. */
function listOf<Item>(value: unknown, itemOf: (row: unknown) => Item | undefined): Item[] | undefined {
  if (!Array.isArray(value)) return undefined
  const items: Item[] = []
  for (const row of value) {
    const item = itemOf(row)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}
