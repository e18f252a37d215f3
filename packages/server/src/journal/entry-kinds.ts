/**
 * The one table of entry kinds: to whom an entry of a kind is delivered, what identifies a retry of it, whether it is
 * replayed and retained as history, and how it is encoded. All other code asks this table, or has an exhaustive table of
 * its own that is keyed by the same union (`EntryHandlers`), so that the compiler finds what a new kind needs.
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
  /** The same for a kind that concerns several channels at once. */
  readonly channelsOf: ((entry: About<Kind>) => readonly string[]) | undefined
  /** The client that published the entry: it receives an ack in its place. */
  readonly senderOf: (entry: About<Kind>) => string | undefined
  /** The one client that the entry is addressed to, whatever channels it is in. */
  readonly recipientOf: (entry: About<Kind>) => string | undefined
  /** The one member of the channel to whom the entry is not delivered. */
  readonly exceptOf: (entry: About<Kind>) => string | undefined
  /** The idempotency key within its sender's messages: a second entry with it is a retry and is delivered to nobody. */
  readonly retryIdOf: (entry: About<Kind>) => string | undefined
  /** Whether a `subscribe` with `since` replays it. */
  readonly isReplayed: boolean
  /** Whether it changes a state of which `welcome` brings a snapshot: a resuming client needs only what follows that. */
  readonly isInSnapshot: boolean
  /** Whether it counts towards HISTORY_SIZE. */
  readonly countsTowardsHistory: boolean
  /** Whether a newer build wrote it. */
  readonly isUnknown: boolean
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
/** The body has all fields. */
const nothing = (): void => undefined

/** Between instances: no client receives it. */
const INTERNAL = {
  channelOf: none,
  channelsOf: undefined,
  senderOf: none,
  recipientOf: none,
  exceptOf: none,
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
    senderOf: ({ from }) => from,
    recipientOf: none,
    exceptOf: none,
    retryIdOf: ({ id }) => id,
    isReplayed: true,
    isInSnapshot: false,
    countsTowardsHistory: true,
    isUnknown: false,
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
    channelsOf: undefined,
    senderOf: ({ from }) => from,
    recipientOf: ({ to }) => to,
    exceptOf: none,
    retryIdOf: ({ id }) => id,
    isReplayed: false,
    isInSnapshot: false,
    countsTowardsHistory: true,
    isUnknown: false,
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

/** The one client that the changes are about; `undefined` when there are several. */
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
    // A client that joins or leaves alone is not told of itself. In a crowd all members receive the same frame.
    exceptOf: ({ changes }) => onlyClientOf(changes),
    isInSnapshot: true,
  },
  unknown: { ...INTERNAL, isUnknown: true },
  placeholder: INTERNAL,
}

/** Whether a newer build wrote the entry. */
export const isUnknown = ({ kind }: Pick<Entry, 'kind'>): boolean => KINDS[kind].isUnknown

export const isContentKind = (kind: string): kind is ContentKind => Object.hasOwn(CONTENT_KINDS, kind)

export const ENTRY_KINDS = Object.keys(KINDS) as readonly EntryKind[]

/** Calls back with each channel whose connections the entry is delivered to. */
export function forEachChannel<Kind extends EntryKind>(entry: About<Kind>, callback: (channel: string) => void): void {
  const { channelOf, channelsOf } = KINDS[entry.kind]
  const channel = channelOf(entry)
  if (channel !== undefined) callback(channel)
  else if (channelsOf) for (const each of channelsOf(entry)) callback(each)
}

/** Whether the entry is delivered to a connection in these channels. */
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

export const retryIdOf = <Kind extends EntryKind>(entry: About<Kind>): string | undefined =>
  KINDS[entry.kind].retryIdOf(entry)

export const isReplayed = ({ kind }: About): boolean => KINDS[kind].isReplayed

export const isInSnapshot = ({ kind }: About): boolean => KINDS[kind].isInSnapshot

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
