/**
 * An entry as the frames that carry it, each encoded once, when the first connection needs it: one for everybody it
 * concerns (one per language where people read it) and one for the client that it answers.
 */
import { TEXTS, type Locale } from '@lastcall/protocol'
import type { TransportEncoding } from '../connections/encoding.js'
import { invariant } from '../invariant.js'
import {
  forEachChannel,
  retryIdOf,
  type EntryKind,
  type EntryOf,
  type KeptEntry,
  type KeptEntryOf,
} from '../journal/entry-kinds.js'
import type { Entry } from '../journal/journal.js'
import { presenceChanges } from './presence-changes.js'

/** The entry whose text is to be made, and what the server adds to it. */
interface Told<Kind extends EntryKind> {
  readonly entry: { [Each in Kind]: { readonly kind: Each } & EntryOf<Each> }[Kind]
  /** Milliseconds since 1970: never less than that of an earlier entry. */
  readonly at: number
  readonly locale: Locale
  /** The channels of the receiving connections. */
  readonly channels: ReadonlySet<string>
}

interface FrameRow<Kind extends EntryKind> {
  readonly textOf: (told: Told<Kind>) => string
  /**
   * What remains of the entry beside its frame: without the data, which the frame has. `undefined`: the text differs by
   * language and channels, so the entry remains as it is.
   */
  readonly keptOf: ((entry: Told<Kind>['entry']) => KeptEntryOf<Kind>) | undefined
}

/** `undefined`: such an entry concerns no client. */
const FRAMES: { readonly [Kind in EntryKind]: FrameRow<Kind> | undefined } = {
  // Put together by hand: the data is JSON already, and parsing it to write it again would cost the most of a message.
  message: {
    textOf: ({ entry: { channel, from, data, id, offset }, at }) =>
      `{"type":"message","channel":"${channel}","from":"${from}","data":${data}${idField(id)},"offset":${offset},"at":"${timeText(at)}"}`,
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
      `{"type":"direct","from":"${from}","data":${data}${idField(id)},"offset":${offset},"at":"${timeText(at)}"}`,
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
    textOf({ entry, locale, channels }) {
      const changes = presenceChanges(entry.changes, channels)
      return JSON.stringify({ type: 'presence', changes, offset: entry.offset, text: TEXTS[locale].presence(changes) })
    },
    keptOf: undefined,
  },
  instance: undefined,
  lost: undefined,
  claim: undefined,
  members: undefined,
  roster: undefined,
  rosterRequest: undefined,
  unknown: undefined,
  placeholder: undefined,
}

/** The newest time that was written, as text: most entries of a batch share it, and writing it costs as much as the rest. */
let newestTime = { at: NaN, text: '' }

function timeText(at: number): string {
  if (newestTime.at !== at) newestTime = { at, text: new Date(at).toISOString() }
  return newestTime.text
}

const idField = (id: string | undefined): string => (id === undefined ? '' : `,"id":${JSON.stringify(id)}`)

function textOf<Kind extends EntryKind>(told: Told<Kind>): string {
  const { kind } = told.entry
  const row: FrameRow<Kind> | undefined = FRAMES[kind]
  if (!row) throw new Error(`an entry of the kind ${kind} concerns no client`)
  return row.textOf(told)
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
  /** By language, and by the channels that the frame is about. */
  #perAudience: Map<string, Buffer> | undefined
  /** The same frames in other encodings, by encoding. Most servers have none. */
  #others: Map<string, Map<Buffer, Buffer>> | undefined

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

  /** The frame for connections in these channels that the entry is delivered to. */
  forAudience(locale: Locale, channels: ReadonlySet<string>, encoding = this.#encoding): Buffer {
    const frame = this.#shared ?? this.#make(locale, channels)
    return encoding === this.#encoding ? frame : this.#again(frame, encoding)
  }

  /** From the frame, because the data is not kept beside it. */
  #again(frame: Buffer, encoding: TransportEncoding): Buffer {
    const others = (this.#others ??= new Map<string, Map<Buffer, Buffer>>())
    const ofEncoding = others.get(encoding.name) ?? new Map<Buffer, Buffer>()
    others.set(encoding.name, ofEncoding)
    let other = ofEncoding.get(frame)
    if (!other) ofEncoding.set(frame, (other = encoding.encode(this.#encoding.decode(frame))))
    return other
  }

  #make(locale: Locale, channels: ReadonlySet<string>): Buffer {
    const raw = this.#raw
    invariant(raw, 'an entry without a frame keeps its data')
    const kept = keptOf(raw)
    if (kept) {
      this.#shared = this.#encoding.encode(textOf({ entry: raw, at: this.#at, locale, channels }))
      this.#kept = kept
      this.#raw = undefined
      return this.#shared
    }
    const frames = (this.#perAudience ??= new Map<string, Buffer>())
    const key = `${locale} ${concerned(raw, channels)}`
    let frame = frames.get(key)
    if (!frame) {
      frame = this.#encoding.encode(textOf({ entry: raw, at: this.#at, locale, channels }))
      frames.set(key, frame)
    }
    return frame
  }

  /**
   * The frame for the sender: its message is in the journal. Not kept, because one client needs it, once.
   *
   * @param offset Where the message stands: for a retry, where the first one does.
   */
  ack(offset: number, encoding = this.#encoding): Buffer {
    return ackFrame(retryIdOf(this.#kept), offset, encoding)
  }
}

/** The ack of the message with this id, which stands at this offset. */
export const ackFrame = (id: string | undefined, offset: number, encoding: TransportEncoding): Buffer =>
  encoding.encode(`{"type":"ack"${idField(id)},"offset":${offset}}`)

/** Several frames as one write. */
export function joined(frames: readonly Buffer[]): Buffer {
  const [first] = frames
  return first && frames.length === 1 ? first : Buffer.concat(frames)
}

/** The channels of the entry that are among these: audiences with the same ones share a frame. */
function concerned(entry: KeptEntry, channels: ReadonlySet<string>): string {
  const names: string[] = []
  forEachChannel(entry, (channel) => {
    if (channels.has(channel)) names.push(channel)
  })
  return names.join(',')
}
