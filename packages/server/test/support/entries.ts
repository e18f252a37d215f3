/**
 * Entries of a journal, with only what a test cares about.
 */
import fc from 'fast-check'
import type {
  Entry,
  EntryContent,
  PlaceholderContent,
  PresenceContent,
  UnknownContent,
  VisibleChange,
} from '../../src/journal/journal.js'

const COMMON = { offset: 1, at: 0, node: 'node', sequence: 1, bytes: 1 }

type Of<Kind> = Extract<Entry, { kind: Kind }>

export const messageEntry = (some: Partial<Of<'message'>> = {}): Of<'message'> => ({
  ...COMMON,
  kind: 'message',
  channel: 'lobby',
  from: 'anna',
  data: '1',
  ...some,
})

export const directEntry = (some: Partial<Of<'direct'>> = {}): Of<'direct'> => ({
  ...COMMON,
  kind: 'direct',
  to: 'bob',
  from: 'anna',
  data: '1',
  ...some,
})

/** By default anna joins the lobby. */
export const presenceEntry = ({
  channel = 'lobby',
  joined = ['anna'],
  left = [],
  count = 1,
  ...place
}: Partial<VisibleChange & Omit<Of<'presence'>, 'kind' | 'changes'>> = {}): Of<'presence'> => ({
  ...COMMON,
  kind: 'presence',
  changes: [{ channel, joined, left, count }],
  ...place,
})

export const instanceEntry = (some: Partial<Of<'instance'>> = {}): Of<'instance'> => ({
  ...COMMON,
  kind: 'instance',
  build: 'build',
  state: 'ready',
  connections: 0,
  lagMs: 0,
  startedAtMs: 0,
  ...some,
})

export const unknownEntry = (some: Partial<Of<'unknown'>> = {}): Of<'unknown'> => ({
  ...COMMON,
  kind: 'unknown',
  ...some,
})

export const placeholderEntry = (some: Partial<Of<'placeholder'>> = {}): Of<'placeholder'> => ({
  ...COMMON,
  kind: 'placeholder',
  ...some,
})

/** The names that occur in random entries: few, so that they meet. */
export const SOME_CLIENTS = ['anna', 'bob', 'cleo'] as const
export const SOME_CHANNELS = ['lobby', 'news', 'sport'] as const
export const SOME_IDS = ['x', 'y'] as const

const client = fc.constantFrom(...SOME_CLIENTS)
const channel = fc.constantFrom(...SOME_CHANNELS)
const id = fc.option(fc.constantFrom(...SOME_IDS), { nil: undefined })
const data = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => JSON.stringify(text))
const withId = (id: string | undefined): { id?: string } => (id === undefined ? {} : { id })

type AnyContent = EntryContent | PresenceContent | UnknownContent | PlaceholderContent

/** Client messages, announcements of instances, unknown entries and placeholders. */
export const anyContent: fc.Arbitrary<AnyContent> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({ channel, from: client, id, data })
      .map(({ id, ...rest }) => ({ kind: 'message' as const, ...rest, ...withId(id) })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ to: client, from: client, id, data })
      .map(({ id, ...rest }) => ({ kind: 'direct' as const, ...rest, ...withId(id) })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ channel, joined: fc.uniqueArray(client), left: fc.uniqueArray(client), count: fc.nat(9) })
      .filter(({ joined, left }) => joined.length + left.length > 0)
      .map((change) => ({ kind: 'presence' as const, changes: [change] })),
  },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'unknown' as const }, { kind: 'placeholder' as const }) },
  {
    weight: 1,
    arbitrary: fc.constant({ ...instanceEntry(), digest: undefined }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'rosterRequest' as const, of: 'node' }) },
)

/** The content in its place. */
export const placed = (content: AnyContent, place: Partial<Entry>): Entry =>
  ({ ...COMMON, ...content, ...place }) as Entry
