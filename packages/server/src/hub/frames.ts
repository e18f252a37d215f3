/**
 * The frames of one entry. The server encodes each frame once, when the first connection needs it: one frame for all
 * clients that the entry concerns (one per language if it contains text for people), and the ack for its sender.
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

/** An entry, and what its text depends on besides the entry. */
interface FrameSource<Kind extends EntryKind> {
  readonly entry: { [Each in Kind]: { readonly kind: Each } & EntryOf<Each> }[Kind]
  /** Milliseconds since 1970. Never less than the time of an earlier entry. */
  readonly at: number
  readonly locale: Locale
  /** The channels of the receiving connections. */
  readonly channels: ReadonlySet<string>
}

interface FrameRow<Kind extends EntryKind> {
  readonly textOf: (source: FrameSource<Kind>) => string
  /**
   * The fields of the entry that remain in memory beside its frame. The frame contains the data, so the data is not
   * kept twice. `undefined`: the text depends on language and channels, so the complete entry remains.
   */
  readonly keptOf: ((entry: FrameSource<Kind>['entry']) => KeptEntryOf<Kind>) | undefined
}

/** `undefined`: the server sends no frame for entries of this kind. */
const FRAMES: { readonly [Kind in EntryKind]: FrameRow<Kind> | undefined } = {
  // The text is concatenated, because `data` is JSON already. Parsing and stringifying it would cost more than
  // everything else that the server does for a message.
  message: {
    textOf: ({ entry: { channel, from, data, id, offset }, at }) =>
      `{"type":"message","channel":"${channel}","from":"${from}","data":${data}${idField(id)},"offset":${offset},"at":"${timeText(at)}"}`,
    keptOf: ({ kind, channel, from, id, byApplication, offset, at, node, sequence, bytes }) => ({
      kind,
      channel,
      from,
      id,
      byApplication,
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
    keptOf: ({ kind, to, from, id, byApplication, offset, at, node, sequence, bytes }) => ({
      kind,
      to,
      from,
      id,
      byApplication,
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

/**
 * The time that was formatted last. Most entries of a batch have the same time, and formatting it costs as much as the
 * rest of the frame.
 */
let newestTime = { at: NaN, text: '' }

function timeText(at: number): string {
  if (newestTime.at !== at) newestTime = { at, text: new Date(at).toISOString() }
  return newestTime.text
}

const idField = (id: string | undefined): string => (id === undefined ? '' : `,"id":${JSON.stringify(id)}`)

function textOf<Kind extends EntryKind>(source: FrameSource<Kind>): string {
  const { kind } = source.entry
  const row: FrameRow<Kind> | undefined = FRAMES[kind]
  if (!row) throw new Error(`an entry of the kind ${kind} concerns no client`)
  return row.textOf(source)
}

const keptOf = <Kind extends EntryKind>(entry: FrameSource<Kind>['entry']): KeptEntry | undefined =>
  FRAMES[entry.kind]?.keptOf?.(entry)

export class Frames {
  readonly #at: number
  readonly #encoding: TransportEncoding
  /** The complete entry, until a frame contains its data. */
  #raw: Entry | undefined
  #kept: KeptEntry
  #shared: Buffer | undefined
  /** The frames by language and by the channels that they mention. */
  #perAudience: Map<string, Buffer> | undefined
  /** The same frames in other encodings, by the name of the encoding. Most servers use one encoding. */
  #others: Map<string, Map<Buffer, Buffer>> | undefined

  /**
   * @param at The time in the frame, in milliseconds since 1970.
   * @param encoding The encoding of most connections.
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

  /** The frame for connections in these channels. */
  forAudience(locale: Locale, channels: ReadonlySet<string>, encoding = this.#encoding): Buffer {
    const frame = this.#shared ?? this.#make(locale, channels)
    return encoding === this.#encoding ? frame : this.#again(frame, encoding)
  }

  /** Converts the frame, because the entry's data is kept nowhere else. */
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
   * The ack for the sender of the entry. It is not kept, because only one client needs it, once.
   *
   * @param offset The offset of the message. For a retry it is the offset of the first message with the idempotency
   *   key.
   */
  ack(offset: number, encoding = this.#encoding): Buffer {
    return ackFrame(retryIdOf(this.#kept), offset, encoding)
  }
}

/** The ack of the message with this id at this offset. */
export const ackFrame = (id: string | undefined, offset: number, encoding: TransportEncoding): Buffer =>
  encoding.encode(`{"type":"ack"${idField(id)},"offset":${offset}}`)

/** Joins several frames, so that the transport writes them at once. */
export function joined(frames: readonly Buffer[]): Buffer {
  const [first] = frames
  return first && frames.length === 1 ? first : Buffer.concat(frames)
}

/**
 * The channels of the entry that the audience has subscribed to. Audiences for which these are the same share a frame.
 */
function concerned(entry: KeptEntry, channels: ReadonlySet<string>): string {
  const names: string[] = []
  forEachChannel(entry, (channel) => {
    if (channels.has(channel)) names.push(channel)
  })
  return names.join(',')
}
