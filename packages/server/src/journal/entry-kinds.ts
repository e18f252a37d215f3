/**
 * The one table of entry kinds: to whom an entry of a kind is delivered, what identifies a retry of it, whether it is
 * replayed and retained as history, and how it is encoded. All other code asks this table, or has an exhaustive table of
 * its own that is keyed by the same union (`EntryHandlers`), so that the compiler finds what a new kind needs.
 */
import { isCount, isNames, isText, type EntryHeader, type ReadHeader } from './entry-header.js'
import type { Entry, EntryContent, InstanceState } from './journal.js'

export type EntryKind = Entry['kind']
/** The kinds that an instance appends. */
export type ContentKind = EntryContent['kind']

export type EntryOf<Kind extends EntryKind> = Extract<Entry, { readonly kind: Kind }>

/** What the window remembers of an entry: the data is in its encoded frame and need not be in memory twice. */
export type KeptEntryOf<Kind extends EntryKind> = Kind extends EntryKind ? Omit<EntryOf<Kind>, 'data'> : never
export type KeptEntry = KeptEntryOf<EntryKind>

type Fields<Kind extends EntryKind> = Omit<
  EntryOf<Kind>,
  'kind' | 'data' | 'offset' | 'at' | 'node' | 'sequence' | 'bytes'
>

/** An entry of this kind, whether or not it has its place in the journal and its data. */
export type About<Kind extends EntryKind = EntryKind> = {
  [Each in Kind]: { readonly kind: Each } & Fields<Each>
}[Kind]

type ContentOf<Kind extends ContentKind> = Extract<EntryContent, { readonly kind: Kind }>

/** What the rest of the server needs to know about every kind. */
interface KindRow<Kind extends EntryKind> {
  /** The entry is delivered to the connections in this channel. */
  readonly channelOf: (entry: About<Kind>) => string | undefined
  /** The client that published the entry: it receives an ack in its place. */
  readonly senderOf: (entry: About<Kind>) => string | undefined
  /** The one client that the entry is addressed to, whatever channels it is in. */
  readonly recipientOf: (entry: About<Kind>) => string | undefined
  /** The one member of the channel to whom the entry is not delivered. */
  readonly exceptOf: (entry: About<Kind>) => string | undefined
  /** The idempotency key within its sender's messages: a second entry with it is a retry and is delivered to nobody. */
  readonly retryIdOf: (entry: About<Kind>) => string | undefined
  /** Whether a `subscribe` with `since` replays it. Resuming from a cursor delivers every kind that is delivered live. */
  readonly isReplayed: boolean
  /** Whether it counts towards HISTORY_SIZE. */
  readonly countsTowardsHistory: boolean
}

/** What the codec and the publisher need to know about a kind that is appended. */
interface ContentRow<Kind extends ContentKind> extends KindRow<Kind> {
  /** Adds the kind's own fields, in the order in which they are written. */
  readonly encode: (content: Content<Kind>, header: EntryHeader) => void
  /** JSON text that stands behind the header; `undefined` where the header says everything. */
  readonly dataOf: (content: Content<Kind>) => string | undefined
  /**
   * `undefined`: a field is missing or has another type. Object literals without spreads: five times as fast, and every
   * entry of every instance passes here.
   */
  readonly decode: (header: ReadHeader, place: EntryPlace, data: string) => EntryOf<Kind> | undefined
}

export interface EntryPlace {
  readonly offset: number
  readonly at: number
  readonly node: string
  readonly sequence: number
  readonly bytes: number
}

const none = (): undefined => undefined

/** Between instances: no client receives it. */
const INTERNAL = {
  channelOf: none,
  senderOf: none,
  recipientOf: none,
  exceptOf: none,
  retryIdOf: none,
  isReplayed: false,
  countsTowardsHistory: false,
} as const

const CONTENT_KINDS: { readonly [Kind in ContentKind]: ContentRow<Kind> } = {
  message: {
    channelOf: ({ channel }) => channel,
    senderOf: ({ from }) => from,
    recipientOf: none,
    exceptOf: none,
    retryIdOf: ({ id }) => id,
    isReplayed: true,
    countsTowardsHistory: true,
    encode(content, header) {
      header.c = content.channel
      header.f = content.from
      header.i = content.id
    },
    dataOf: ({ data }) => data,
    decode({ c: channel, f: from, i: id }, { offset, at, node, sequence, bytes }, data) {
      if (!isText(channel) || !isText(from) || !(id === undefined || isText(id))) return undefined
      return { kind: 'message', channel, from, id, data, offset, at, node, sequence, bytes }
    },
  },
  direct: {
    channelOf: none,
    senderOf: ({ from }) => from,
    recipientOf: ({ to }) => to,
    exceptOf: none,
    retryIdOf: ({ id }) => id,
    isReplayed: false,
    countsTowardsHistory: true,
    encode(content, header) {
      header.to = content.to
      header.f = content.from
      header.i = content.id
    },
    dataOf: ({ data }) => data,
    decode({ to, f: from, i: id }, { offset, at, node, sequence, bytes }, data) {
      if (!isText(to) || !isText(from) || !(id === undefined || isText(id))) return undefined
      return { kind: 'direct', to, from, id, data, offset, at, node, sequence, bytes }
    },
  },
  presence: {
    channelOf: ({ channel }) => channel,
    senderOf: none,
    recipientOf: none,
    // A client that joins or leaves alone is not told of itself. In a crowd all members receive the same frame.
    exceptOf: ({ joined, left, joinedCount, leftCount }) =>
      joinedCount + leftCount === 1 ? (joined[0] ?? left[0]) : undefined,
    retryIdOf: none,
    isReplayed: true,
    countsTowardsHistory: false,
    encode(content, header) {
      header.c = content.channel
      header.j = content.joined
      header.l = content.left
      header.jc = content.joinedCount
      header.lc = content.leftCount
      header.a = content.active
    },
    dataOf: none,
    decode(header, { offset, at, node, sequence, bytes }) {
      const { c: channel, j: joined, l: left, jc: joinedCount, lc: leftCount, a: active } = header
      if (!isText(channel) || !isNames(joined) || !isNames(left)) return undefined
      if (!isCount(joinedCount) || !isCount(leftCount) || !isCount(active)) return undefined
      const change = { kind: 'presence' as const, channel, joined, left, joinedCount, leftCount, active }
      return { ...change, offset, at, node, sequence, bytes }
    },
  },
  instance: {
    ...INTERNAL,
    encode(content, header) {
      header.b = content.build
      header.st = content.state
    },
    dataOf: none,
    decode({ b: build, st: state }, { offset, at, node, sequence, bytes }) {
      if (!isText(build) || !isState(state)) return undefined
      return { kind: 'instance', build, state, offset, at, node, sequence, bytes }
    },
  },
  arrival: {
    ...INTERNAL,
    encode(content, header) {
      header.cl = content.clients
    },
    dataOf: none,
    decode({ cl: clients }, { offset, at, node, sequence, bytes }) {
      if (!isNames(clients)) return undefined
      return { kind: 'arrival', clients, offset, at, node, sequence, bytes }
    },
  },
}

const STATES: Readonly<Record<InstanceState, true>> = { ready: true, draining: true, gone: true }

const isState = (value: unknown): value is InstanceState => isText(value) && Object.hasOwn(STATES, value)

const KINDS: { readonly [Kind in EntryKind]: KindRow<Kind> } = {
  ...CONTENT_KINDS,
  unknown: INTERNAL,
  placeholder: INTERNAL,
}

export const isContentKind = (kind: string): kind is ContentKind => Object.hasOwn(CONTENT_KINDS, kind)

export const ENTRY_KINDS = Object.keys(KINDS) as readonly EntryKind[]

export const channelOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].channelOf(entry)

export const senderOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].senderOf(entry)

export const recipientOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].recipientOf(entry)

export const exceptOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].exceptOf(entry)

export const retryIdOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].retryIdOf(entry)

export const isReplayed = ({ kind }: About): boolean => KINDS[kind].isReplayed

export const countsTowardsHistory = ({ kind }: About): boolean => KINDS[kind].countsTowardsHistory

/** Calls back with each client whose view of an entry differs from that of the rest of its audience. */
export function forEachConcernedPersonally(entry: About, callback: (clientId: string) => void): void {
  const sender = senderOf(entry)
  const recipient = recipientOf(entry)
  const except = exceptOf(entry)
  if (sender !== undefined) callback(sender)
  if (recipient !== undefined && recipient !== sender) callback(recipient)
  if (except !== undefined && except !== sender && except !== recipient) callback(except)
}

type Content<Kind extends ContentKind = ContentKind> = {
  [Each in Kind]: { readonly kind: Each } & ContentOf<Each>
}[Kind]

export const dataOf = <Kind extends ContentKind>(content: Content<Kind>): string | undefined =>
  CONTENT_KINDS[content.kind].dataOf(content)

export const encodeContent = <Kind extends ContentKind>(content: Content<Kind>, header: EntryHeader): void =>
  CONTENT_KINDS[content.kind].encode(content, header)

export const decodeContent = (
  kind: ContentKind,
  header: ReadHeader,
  place: EntryPlace,
  data: string,
): Entry | undefined => CONTENT_KINDS[kind].decode(header, place, data)

/** An exhaustive table of what a reader does with each kind; `undefined`: nothing. */
export type EntryHandlers = { readonly [Kind in EntryKind]: ((entry: Handled<Kind>) => void) | undefined }
type Handled<Kind extends EntryKind> = { [Each in Kind]: { readonly kind: Each } & EntryOf<Each> }[Kind]

export const handleEntry = <Kind extends EntryKind>(entry: Handled<Kind>, handlers: EntryHandlers): void =>
  handlers[entry.kind]?.(entry)
