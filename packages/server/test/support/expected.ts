/** The frames that a client must receive for an entry, derived from the protocol and not from the code. */
import type { Entry } from '../../src/journal/journal.js'

export interface Listener {
  readonly clientId: string
  readonly channels: ReadonlySet<string>
}

/** A frame in short: its type, its offset, and for an ack the offset that it acknowledges. */
export type Told = readonly [type: string, offset: number]

/** The frames of this client for each of these entries of the journal, from the first on. */
export function expectedOf(entries: readonly Entry[], { clientId, channels }: Listener): Told[] {
  const firsts = new Map<string, number>()
  return entries.flatMap((entry): Told[] => {
    if (entry.kind === 'presence') {
      const names = entry.changes.flatMap(({ joined, left }) => [...joined, ...left])
      const isAboutMeAlone = names.length === entry.changes.length && names.every((name) => name === clientId)
      const isConcerned = entry.changes.some(({ channel }) => channels.has(channel))
      return isConcerned && !isAboutMeAlone ? [['presence', entry.offset]] : []
    }
    if (entry.kind !== 'message' && entry.kind !== 'direct') return []
    let first = entry.offset
    if (entry.id !== undefined) {
      const key = JSON.stringify([entry.from, entry.id])
      first = firsts.get(key) ?? entry.offset
      firsts.set(key, first)
    }
    if (entry.from === clientId) return [['ack', first]]
    if (first !== entry.offset) return []
    if (entry.kind === 'direct') return entry.to === clientId ? [['direct', entry.offset]] : []
    return channels.has(entry.channel) ? [['message', entry.offset]] : []
  })
}

/** Messages, as they were read from frames, in short. */
export const told = (messages: readonly Record<string, unknown>[]): Told[] =>
  messages.map(({ type, offset }) => [type as string, offset as number])
