/**
 * An entry as the frames that carry it, each encoded once, when the first connection needs it: one for everybody it
 * concerns (one per language where people read it) and one for the client that it answers.
 */
import { TEXTS, type Locale } from '@lastcall/protocol'
import type { TransportEncoding } from '../connections/encoding.js'
import { invariant } from '../invariant.js'
import { retryIdOf, type EntryKind, type EntryOf, type KeptEntry, type KeptEntryOf } from '../journal/entry-kinds.js'
import type { Entry } from '../journal/journal.js'

/** The entry whose text is to be made, and what the server adds to it. */
interface Told<Kind extends EntryKind> {
  readonly entry: { [Each in Kind]: { readonly kind: Each } & EntryOf<Each> }[Kind]
  /** Milliseconds since 1970: never less than that of an earlier entry. */
  readonly at: number
  readonly locale: Locale
}

interface FrameRow<Kind extends EntryKind> {
  readonly textOf: (told: Told<Kind>) => string
  /**
   * What remains of the entry beside its frame: without the data, which the frame has. `undefined`: the text differs by
   * language, so the entry remains as it is.
   */
  readonly keptOf: ((entry: Told<Kind>['entry']) => KeptEntryOf<Kind>) | undefined
}

/** `undefined`: such an entry concerns no client. */
const FRAMES: { readonly [Kind in EntryKind]: FrameRow<Kind> | undefined } = {
  // Put together by hand: the data is JSON already, and parsing it to write it again would cost the most of a message.
  message: {
    textOf: ({ entry: { channel, from, data, id, offset }, at }) =>
      `{"type":"message","channel":"${channel}","from":"${from}","data":${data}${idField(id)},"offset":${offset},"at":"${new Date(at).toISOString()}"}`,
    keptOf: ({ kind, channel, from, id, offset, at, node, sequence, bytes }) => ({
      kind,
      channel,
      from,
      id,
      offset,
      at,
      node,
      sequence,
      bytes,
    }),
  },
  direct: {
    textOf: ({ entry: { from, data, id, offset }, at }) =>
      `{"type":"direct","from":"${from}","data":${data}${idField(id)},"offset":${offset},"at":"${new Date(at).toISOString()}"}`,
    keptOf: ({ kind, to, from, id, offset, at, node, sequence, bytes }) => ({
      kind,
      to,
      from,
      id,
      offset,
      at,
      node,
      sequence,
      bytes,
    }),
  },
  presence: {
    textOf({ entry, locale }) {
      const { channel, joined, left, joinedCount, leftCount, active, offset } = entry
      const text = TEXTS[locale].presence(entry)
      return JSON.stringify({ type: 'presence', channel, joined, left, joinedCount, leftCount, active, offset, text })
    },
    keptOf: undefined,
  },
  instance: undefined,
  arrival: undefined,
  unknown: undefined,
  placeholder: undefined,
}

const idField = (id: string | undefined): string => (id === undefined ? '' : `,"id":${JSON.stringify(id)}`)

function textOf<Kind extends EntryKind>(entry: Told<Kind>['entry'], at: number, locale: Locale): string {
  const row: FrameRow<Kind> | undefined = FRAMES[entry.kind]
  if (!row) throw new Error(`an entry of the kind ${entry.kind} concerns no client`)
  return row.textOf({ entry, at, locale })
}

const keptOf = <Kind extends EntryKind>(entry: Told<Kind>['entry']): KeptEntry | undefined =>
  FRAMES[entry.kind]?.keptOf?.(entry)

export class Frames {
  readonly #at: number
  readonly #encoding: TransportEncoding
  /** With its data as long as there is no frame that has it. */
  #raw: Entry | undefined
  #kept: KeptEntry
  #shared: Buffer | undefined
  #perLocale: Partial<Record<Locale, Buffer>> | undefined
  /** The same frames in other encodings, by encoding and language. Most servers have none. */
  #others: Map<string, Buffer> | undefined

  /**
   * @param at the time that clients are given, in milliseconds since 1970.
   * @param encoding what most connections use.
   */
  constructor(entry: Entry, at: number, encoding: TransportEncoding) {
    this.#at = at
    this.#encoding = encoding
    this.#raw = entry
    this.#kept = entry
  }

  get entry(): KeptEntry {
    return this.#kept
  }

  /** The frame for those whom the entry tells something. */
  forAudience(locale: Locale, encoding = this.#encoding): Buffer {
    const frame = this.#shared ?? this.#perLocale?.[locale] ?? this.#make(locale)
    return encoding === this.#encoding ? frame : this.#again(frame, locale, encoding)
  }

  /** From the frame, because the data is not kept beside it. */
  #again(frame: Buffer, locale: Locale, encoding: TransportEncoding): Buffer {
    const key = `${encoding.name} ${locale}`
    let other = this.#others?.get(key)
    if (!other) {
      other = encoding.encode(this.#encoding.decode(frame))
      this.#others = (this.#others ?? new Map<string, Buffer>()).set(key, other)
    }
    return other
  }

  #make(locale: Locale): Buffer {
    const raw = this.#raw
    invariant(raw, 'an entry without a frame keeps its data')
    const frame = this.#encoding.encode(textOf(raw, this.#at, locale))
    const kept = keptOf(raw)
    if (kept) {
      this.#shared = frame
      this.#kept = kept
      this.#raw = undefined
    } else (this.#perLocale ??= {})[locale] = frame
    return frame
  }

  /**
   * The frame for the sender: its message is in the journal. Not kept, because one client needs it, once.
   *
   * @param offset Where the message stands: for a retry, where the first one does.
   */
  ack(offset: number, encoding = this.#encoding): Buffer {
    return encoding.encode(`{"type":"ack"${idField(retryIdOf(this.#kept))},"offset":${offset}}`)
  }
}

/** Several frames as one write. */
export function joined(frames: readonly Buffer[]): Buffer {
  const [first] = frames
  return first && frames.length === 1 ? first : Buffer.concat(frames)
}
