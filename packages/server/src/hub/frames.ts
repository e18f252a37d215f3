/**
 * An entry as the frames that carry it, each made once: one for everybody it concerns (one per
 * language where people read it) and one for the client that it is an answer to.
 */
import { TEXTS, type Locale } from '@lastcall/protocol'
import type { EncodeFrame } from '../frames.js'
import type { Entry } from '../journal/journal.js'

/** What is remembered of an entry: what was said is in its frame, and need not be in memory twice. */
export type KeptEntry = Entry extends infer Kind ? (Kind extends Entry ? Omit<Kind, 'data'> : never) : never

export class Frames {
  readonly entry: KeptEntry
  readonly #encode: EncodeFrame
  readonly #shared: Buffer | undefined
  #perLocale: Partial<Record<Locale, Buffer>> | undefined

  constructor(entry: Entry, encode: EncodeFrame) {
    this.#encode = encode
    if (entry.kind === 'message' || entry.kind === 'direct') {
      const { data, ...kept } = entry
      this.entry = kept
      this.#shared = encode(textOf(kept, data))
    } else this.entry = entry
  }

  /** The frame for those whom the entry tells something. */
  forAudience(locale: Locale): Buffer {
    const { entry } = this
    switch (entry.kind) {
      case 'message':
      case 'direct':
        return this.#shared as Buffer
      case 'presence': {
        const { channel, joined, left, joinedCount, leftCount, active, offset } = entry
        const text = TEXTS[locale].presence(entry)
        return ((this.#perLocale ??= {})[locale] ??= this.#encode(
          JSON.stringify({ type: 'presence', channel, joined, left, joinedCount, leftCount, active, offset, text }),
        ))
      }
      case 'instance':
      case 'arrival':
      case 'unknown':
      case 'placeholder':
        throw new Error('such an entry concerns no client')
    }
  }

  /**
   * The frame for the sender: its message is in the journal. Not kept: one client needs it, once.
   *
   * @param offset Where the message stands: for a retry, where the first one does.
   */
  ack(offset: number): Buffer {
    const { entry } = this
    const id = entry.kind === 'message' || entry.kind === 'direct' ? entry.id : undefined
    return this.#encode(`{"type":"ack"${idField(id)},"offset":${offset}}`)
  }
}

/** Put together by hand: the data is JSON already, and parsing it to write it again would cost the most of a message. */
function textOf(entry: Extract<KeptEntry, { kind: 'message' | 'direct' }>, data: string): string {
  const { kind, from, id, offset, at } = entry
  const channel = kind === 'message' ? `"channel":"${entry.channel}",` : ''
  return `{"type":"${kind}",${channel}"from":"${from}","data":${data}${idField(id)},"offset":${offset},"at":"${new Date(at).toISOString()}"}`
}

const idField = (id: string | undefined): string => (id === undefined ? '' : `,"id":${JSON.stringify(id)}`)
