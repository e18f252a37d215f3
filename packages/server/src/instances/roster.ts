/** The roster of an instance: all its claims and all its members, in chunks of the size of one entry. Pure. */
import type { Claim, MemberGroup } from '../journal/journal.js'

/** The content of one `roster` entry. */
export interface RosterChunk {
  /** The index of the chunk, from 0. */
  readonly part: number
  readonly parts: number
  readonly claims: readonly Claim[]
  readonly members: readonly MemberGroup[]
}

/** All claims and all members of an instance. */
export type CompleteRoster = Pick<RosterChunk, 'claims' | 'members'>

/**
 * The number of names per chunk. A name has at most 64 characters, so this many names and channels fit into 256 KiB of
 * JSON.
 */
const MAX_NAMES = 3500
/** A claim has about as many characters as four names. */
const NAMES_PER_CLAIM = 4

/** Splits a roster into chunks. An instance without clients has one empty chunk, which states that. */
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

/** Assembles the rosters of all instances from their chunks. */
export class RosterAssembly {
  readonly #received = new Map<string, RosterChunk[]>()

  /**
   * Adds a chunk, and returns the complete roster if it was the last one. A chunk that is out of order discards the
   * earlier ones.
   */
  take(node: string, chunk: RosterChunk): CompleteRoster | undefined {
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
