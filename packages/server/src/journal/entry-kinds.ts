/**
 * The one table of entry kinds: to whom the server delivers an entry of a kind, what identifies a retry of it, whether
 * it is replayed and retained as history, and how it is encoded. All other code asks this table, or has an exhaustive
 * table of its own with the same keys (`EntryHandlers`), so that the compiler finds what a new kind needs.
 */
import {
  changeRows,
  changesOf,
  claimRows,
  claimsOf,
  fieldsOf,
  groupRows,
  groupsOf,
  releaseRows,
  releasesOf,
} from './entry-bodies.js'
import { isCount, isText, type EntryHeader, type ReadHeader } from './entry-header.js'
import type { Entry, EntryContent, InstanceState, VisibleChange } from './journal.js'

export type EntryKind = Entry['kind']
/** The kinds that an instance appends. */
export type ContentKind = EntryContent['kind']

export type EntryOf<Kind extends EntryKind> = Extract<Entry, { readonly kind: Kind }>

/** The fields of an entry that the window keeps. The data is in the encoded frame already. */
export type KeptEntryOf<Kind extends EntryKind> = Kind extends EntryKind ? Omit<EntryOf<Kind>, 'data'> : never
export type KeptEntry = KeptEntryOf<EntryKind>

type Fields<Kind extends EntryKind> = Omit<
  EntryOf<Kind>,
  'kind' | 'data' | 'offset' | 'at' | 'node' | 'sequence' | 'bytes'
>

/** An entry of this kind, with or without its offset and its data. */
export type About<Kind extends EntryKind = EntryKind> = {
  [Each in Kind]: { readonly kind: Each } & Fields<Each>
}[Kind]

type ContentOf<Kind extends ContentKind> = Extract<EntryContent, { readonly kind: Kind }>

/** The properties of every kind. */
interface KindRow<Kind extends EntryKind> {
  /** The server delivers the entry to the connections in this channel. */
  readonly channelOf: (entry: About<Kind>) => string | undefined
  /** The same for a kind that concerns several channels at once. */
  readonly channelsOf: ((entry: About<Kind>) => readonly string[]) | undefined
  /** The client that published the entry. It receives an ack instead of the entry. */
  readonly senderOf: (entry: About<Kind>) => string | undefined
  /** The one client that receives the entry, whatever channels it is in. */
  readonly recipientOf: (entry: About<Kind>) => string | undefined
  /** The one member of the channel to whom the server does not deliver the entry. */
  readonly exceptOf: (entry: About<Kind>) => string | undefined
  /** The other part of the idempotency key: the client that published the entry, or APPLICATION. */
  readonly retryScopeOf: (entry: About<Kind>) => string | undefined
  /**
   * The message's own part of the idempotency key. A second entry with the same scope and id is a retry, and the server
   * delivers it to nobody.
   */
  readonly retryIdOf: (entry: About<Kind>) => string | undefined
  /** Whether a `subscribe` with `since` replays it. */
  readonly isReplayed: boolean
  /**
   * Whether it changes a state that the snapshot in `welcome` contains. A resuming client needs only those after the
   * snapshot.
   */
  readonly isInSnapshot: boolean
  /** Whether it counts towards HISTORY_SIZE. */
  readonly countsTowardsHistory: boolean
  /** Whether a newer build wrote it. */
  readonly isUnknown: boolean
}

/** The properties of a kind that instances append. */
interface ContentRow<Kind extends ContentKind> extends KindRow<Kind> {
  /** Adds the kind's own fields to the header, in the order in which they are written. */
  readonly encode: (content: Content<Kind>, header: EntryHeader) => void
  /** The JSON text after the header. `undefined`: the header contains all fields. */
  readonly dataOf: (content: Content<Kind>) => string | undefined
  /**
   * `undefined`: a field is missing or has another type. The literals have no spreads, because every entry of every
   * instance passes here and they are five times as fast.
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

/** The scope of the ids that the application gives its messages. No clientId is empty. */
export const APPLICATION = ''

const none = (): undefined => undefined
/** The body contains all fields, so the header needs none. */
const nothing = (): void => undefined

/** The properties of a kind that instances exchange and no client receives. */
const INTERNAL = {
  channelOf: none,
  channelsOf: undefined,
  senderOf: none,
  recipientOf: none,
  exceptOf: none,
  retryScopeOf: none,
  retryIdOf: none,
  isReplayed: false,
  isInSnapshot: false,
  countsTowardsHistory: false,
  isUnknown: false,
} as const

const CONTENT_KINDS: { readonly [Kind in ContentKind]: ContentRow<Kind> } = {
  message: {
    channelOf: ({ channel }) => channel,
    channelsOf: undefined,
    senderOf: ({ from, byApplication }) => (byApplication ? undefined : from),
    recipientOf: none,
    exceptOf: none,
    retryScopeOf: ({ from, byApplication }) => (byApplication ? APPLICATION : from),
    retryIdOf: ({ id }) => id,
    isReplayed: true,
    isInSnapshot: false,
    countsTowardsHistory: true,
    isUnknown: false,
    encode(content, header) {
      header.c = content.channel
      header.f = content.from
      header.i = content.id
      header.a = content.byApplication
    },
    dataOf: ({ data }) => data,
    decode({ c: channel, f: from, i: id, a }, { offset, at, node, sequence, bytes }, data) {
      if (!isText(channel) || !isText(from) || !(id === undefined || isText(id))) return undefined
      const byApplication = a === true || undefined
      return { kind: 'message', channel, from, id, data, byApplication, offset, at, node, sequence, bytes }
    },
  },
  direct: {
    channelOf: none,
    channelsOf: undefined,
    senderOf: ({ from, byApplication }) => (byApplication ? undefined : from),
    recipientOf: ({ to }) => to,
    exceptOf: none,
    retryScopeOf: ({ from, byApplication }) => (byApplication ? APPLICATION : from),
    retryIdOf: ({ id }) => id,
    isReplayed: false,
    isInSnapshot: false,
    countsTowardsHistory: true,
    isUnknown: false,
    encode(content, header) {
      header.to = content.to
      header.f = content.from
      header.i = content.id
      header.a = content.byApplication
    },
    dataOf: ({ data }) => data,
    decode({ to, f: from, i: id, a }, { offset, at, node, sequence, bytes }, data) {
      if (!isText(to) || !isText(from) || !(id === undefined || isText(id))) return undefined
      const byApplication = a === true || undefined
      return { kind: 'direct', to, from, id, data, byApplication, offset, at, node, sequence, bytes }
    },
  },
  instance: {
    ...INTERNAL,
    encode(content, header) {
      header.b = content.build
      header.st = content.state
    },
    dataOf: ({ connections, lagMs, startedAtMs, digest }) =>
      JSON.stringify({ connections, lagMs, startedAtMs, digest }),
    decode({ b: build, st: state }, { offset, at, node, sequence, bytes }, data) {
      const { connections = 0, lagMs = 0, startedAtMs = 0, digest } = fieldsOf(data)
      if (!isText(build) || !isState(state) || !isCount(connections) || !isCount(lagMs) || !isCount(startedAtMs)) {
        return undefined
      }
      if (digest !== undefined && !isText(digest)) return undefined
      const figures = { connections, lagMs, startedAtMs, digest }
      return { kind: 'instance', build, state, ...figures, offset, at, node, sequence, bytes }
    },
  },
  lost: {
    ...INTERNAL,
    encode: nothing,
    dataOf: ({ instance }) => JSON.stringify({ instance }),
    decode(_, { offset, at, node, sequence, bytes }, data) {
      const { instance } = fieldsOf(data)
      return isText(instance) ? { kind: 'lost', instance, offset, at, node, sequence, bytes } : undefined
    },
  },
  claim: {
    ...INTERNAL,
    encode: nothing,
    dataOf: (content) => JSON.stringify({ claims: claimRows(content.claims), releases: releaseRows(content.releases) }),
    decode(_, { offset, at, node, sequence, bytes }, data) {
      const fields = fieldsOf(data)
      const [claims, releases] = [claimsOf(fields['claims']), releasesOf(fields['releases'])]
      return claims && releases && { kind: 'claim', claims, releases, offset, at, node, sequence, bytes }
    },
  },
  members: {
    ...INTERNAL,
    encode: nothing,
    dataOf: ({ changes }) => JSON.stringify({ changes: changeRows(changes) }),
    decode(_, { offset, at, node, sequence, bytes }, data) {
      const changes = changesOf(fieldsOf(data)['changes'])
      return changes && { kind: 'members', changes, offset, at, node, sequence, bytes }
    },
  },
  roster: {
    ...INTERNAL,
    encode: nothing,
    dataOf: ({ part, parts, claims, members }) =>
      JSON.stringify({ part, parts, claims: claimRows(claims), members: groupRows(members) }),
    decode(_, { offset, at, node, sequence, bytes }, data) {
      const { part, parts, ...fields } = fieldsOf(data)
      const [claims, members] = [claimsOf(fields['claims']), groupsOf(fields['members'])]
      if (!isCount(part) || !isCount(parts) || !claims || !members) return undefined
      return { kind: 'roster', part, parts, claims, members, offset, at, node, sequence, bytes }
    },
  },
  rosterRequest: {
    ...INTERNAL,
    encode: nothing,
    dataOf: ({ of }) => JSON.stringify({ of }),
    decode(_, { offset, at, node, sequence, bytes }, data) {
      const { of } = fieldsOf(data)
      return isText(of) ? { kind: 'rosterRequest', of, offset, at, node, sequence, bytes } : undefined
    },
  },
}

const STATES: Readonly<Record<InstanceState, true>> = { starting: true, ready: true, draining: true, gone: true }

const isState = (value: unknown): value is InstanceState => isText(value) && Object.hasOwn(STATES, value)

/** The one client that the changes are about. `undefined`: they are about several. */
function onlyClientOf(changes: readonly VisibleChange[]): string | undefined {
  let only: string | undefined
  for (const { joined, left } of changes) {
    if (joined.length + left.length !== 1) return undefined
    const clientId = joined[0] ?? left[0]
    if (only !== undefined && only !== clientId) return undefined
    only = clientId
  }
  return only
}

const KINDS: { readonly [Kind in EntryKind]: KindRow<Kind> } = {
  ...CONTENT_KINDS,
  presence: {
    ...INTERNAL,
    channelsOf: ({ changes }) => changes.map(({ channel }) => channel),
    // A client that joins or leaves alone receives no frame about itself. In a crowd all members receive the same
    // frame.
    exceptOf: ({ changes }) => onlyClientOf(changes),
    isInSnapshot: true,
  },
  unknown: { ...INTERNAL, isUnknown: true },
  placeholder: INTERNAL,
}

export const isUnknown = ({ kind }: Pick<Entry, 'kind'>): boolean => KINDS[kind].isUnknown

export const isContentKind = (kind: string): kind is ContentKind => Object.hasOwn(CONTENT_KINDS, kind)

export const ENTRY_KINDS = Object.keys(KINDS) as readonly EntryKind[]

/** Calls the callback with each channel to whose connections the server delivers the entry. */
export function forEachChannel<Kind extends EntryKind>(entry: About<Kind>, callback: (channel: string) => void): void {
  const { channelOf, channelsOf } = KINDS[entry.kind]
  const channel = channelOf(entry)
  if (channel !== undefined) callback(channel)
  else if (channelsOf) for (const each of channelsOf(entry)) callback(each)
}

/** Whether the server delivers the entry to a connection in these channels. */
export function isIn<Kind extends EntryKind>(channels: ReadonlySet<string>, entry: About<Kind>): boolean {
  const { channelOf, channelsOf } = KINDS[entry.kind]
  const channel = channelOf(entry)
  if (channel !== undefined) return channels.has(channel)
  return channelsOf?.(entry).some((each) => channels.has(each)) ?? false
}

export const senderOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].senderOf(entry)

export const recipientOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].recipientOf(entry)

export const exceptOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].exceptOf(entry)

export const retryScopeOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].retryScopeOf(entry)

export const retryIdOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].retryIdOf(entry)

export const isReplayed = ({ kind }: About): boolean => KINDS[kind].isReplayed

export const isInSnapshot = ({ kind }: About): boolean => KINDS[kind].isInSnapshot

export const countsTowardsHistory = ({ kind }: About): boolean => KINDS[kind].countsTowardsHistory

/** Calls the callback with each client whose frame of an entry differs from that of the rest of its audience. */
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

/** An exhaustive table of the handlers that a reader has for each kind. `undefined`: the reader ignores the kind. */
export type EntryHandlers = { readonly [Kind in EntryKind]: ((entry: Handled<Kind>) => void) | undefined }
type Handled<Kind extends EntryKind> = { [Each in Kind]: { readonly kind: Each } & EntryOf<Each> }[Kind]

export const handleEntry = <Kind extends EntryKind>(entry: Handled<Kind>, handlers: EntryHandlers): void =>
  handlers[entry.kind]?.(entry)
