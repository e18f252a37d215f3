/**
 * An entry as the frames that carry it, each made once, when first needed: one for everybody it concerns (one per
 * language where people read it) and one for the client that it is an answer to.
 */
import { TEXTS, type Locale, type ServerMessage } from '@lastcall/protocol'
import type { Entry } from '../journal/journal.js'

/** Makes a frame of a text: the WebSocket side's business. */
export type EncodeFrame = (text: string) => Buffer

export class Frames {
  readonly #entry: Entry
  readonly #encode: EncodeFrame
  #shared: Buffer | undefined
  #perLocale: Partial<Record<Locale, Buffer>> | undefined

  constructor(entry: Entry, encode: EncodeFrame) {
    this.#entry = entry
    this.#encode = encode
  }

  /** The frame for those whom the entry tells something. */
  forAudience(locale: Locale): Buffer {
    const entry = this.#entry
    switch (entry.kind) {
      case 'message':
        return (this.#shared ??= this.#encode(
          `{"type":"message","channel":"${entry.channel}","from":"${entry.from}","data":${entry.data}${idField(entry.id)},"offset":${entry.offset},"at":"${new Date(entry.at).toISOString()}"}`,
        ))
      case 'direct':
        return (this.#shared ??= this.#encode(
          `{"type":"direct","from":"${entry.from}","data":${entry.data}${idField(entry.id)},"offset":${entry.offset},"at":"${new Date(entry.at).toISOString()}"}`,
        ))
      case 'presence': {
        const { channel, joined, left, joinedCount, leftCount, active, offset } = entry
        const text = TEXTS[locale].presence(entry)
        return ((this.#perLocale ??= {})[locale] ??= this.#encode(
          JSON.stringify({ type: 'presence', channel, joined, left, joinedCount, leftCount, active, offset, text }),
        ))
      }
      case 'unknown':
        throw new Error('an unknown entry concerns nobody')
    }
  }

  /**
   * The frame for the sender: its message is in the journal. Not kept: one client needs it, once.
   *
   * @param offset Where the message stands: for a retry, where the first one does.
   */
  ack(offset: number): Buffer {
    const entry = this.#entry
    const id = entry.kind === 'message' || entry.kind === 'direct' ? entry.id : undefined
    return this.#encode(`{"type":"ack"${idField(id)},"offset":${offset}}`)
  }
}

const idField = (id: string | undefined): string => (id === undefined ? '' : `,"id":${JSON.stringify(id)}`)

/** The same message in every language, each encoded once, when first needed. */
export function localized(encode: EncodeFrame, message: (locale: Locale) => ServerMessage): (locale: Locale) => Buffer {
  const frames: Partial<Record<Locale, Buffer>> = {}
  return (locale) => (frames[locale] ??= encode(JSON.stringify(message(locale))))
}
