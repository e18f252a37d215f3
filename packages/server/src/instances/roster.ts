/**
 * The roster of an instance: all its claims and all its members, in chunks that the journal takes as entries. Pure.
 */
import type { Claim, MemberGroup } from '../journal/journal.js'

/** One entry of a roster. */
export interface RosterChunk {
  /** From 0. */
  readonly part: number
  readonly parts: number
  readonly claims: readonly Claim[]
  readonly members: readonly MemberGroup[]
}

/** Names are at most 64 characters, so this many names and channels fit into 256 KiB of JSON, quotes and all. */
const MAX_NAMES = 3500
/** The characters of a claim are those of about four names. */
const NAMES_PER_CLAIM = 4

/** Never empty: an instance without clients has a roster that says so. */
export function chunksOf(claims: readonly Claim[], groups: readonly MemberGroup[]): RosterChunk[] {
  const chunks: { claims: Claim[]; members: MemberGroup[] }[] = []
  let left = 0
  const current = (needed: number): { claims: Claim[]; members: MemberGroup[] } => {
    const last = chunks.at(-1)
    if (last && needed <= left) {
      left -= needed
      return last
    }
    const next = { claims: [], members: [] }
    chunks.push(next)
    left = MAX_NAMES - needed
    return next
  }
  for (const claim of claims) current(NAMES_PER_CLAIM).claims.push(claim)
  for (const { channels, clients } of groups) {
    const size = MAX_NAMES - channels.length
    for (let index = 0; index < clients.length; index += size) {
      const some = clients.slice(index, index + size)
      current(channels.length + some.length).members.push({ channels, clients: some })
    }
  }
  if (chunks.length === 0) current(0)
  return chunks.map((chunk, part) => ({ part, parts: chunks.length, ...chunk }))
}

/** Puts the chunks of rosters together again, for each instance in turn. */
export class RosterAssembly {
  readonly #received = new Map<string, RosterChunk[]>()

  /** The complete roster when this was its last chunk. A chunk out of order discards what was there. */
  take(node: string, chunk: RosterChunk): Pick<RosterChunk, 'claims' | 'members'> | undefined {
    const received = chunk.part === 0 ? [] : (this.#received.get(node) ?? [])
    this.#received.delete(node)
    if (received.length !== chunk.part) return undefined
    received.push(chunk)
    if (received.length < chunk.parts) {
      this.#received.set(node, received)
      return undefined
    }
    return {
      claims: received.flatMap(({ claims }) => claims),
      members: received.flatMap(({ members }) => members),
    }
  }

  clear(): void {
    this.#received.clear()
  }
}
