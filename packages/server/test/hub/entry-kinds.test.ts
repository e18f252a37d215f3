/**
 * Every kind of entry on its way through the server: encoded, decoded, deduplicated, delivered live, delivered to a
 * connection that resumes, and replayed. The tables are exhaustive by type: a new kind without a sample does not compile.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerMessage } from '@lastcall/protocol'
import { describe, expect, test } from 'vitest'
import { decodeEntry, encodeEntry } from '../../src/journal/entry-codec.js'
import { ENTRY_KINDS, type ContentKind, type EntryKind } from '../../src/journal/entry-kinds.js'
import type { EntryContent, NewEntry } from '../../src/journal/journal.js'
import { placeholderAt } from '../../src/journal/placeholder.js'
import { openHub, turns, type Member } from '../support/test-hub.js'

type ContentOf<Kind extends ContentKind> = Extract<EntryContent, { readonly kind: Kind }>

/** The type of a frame must be a message of the protocol, and so in PROTOCOL.md. */
type FrameType = ServerMessage['type'] | undefined

interface Sample<Kind extends ContentKind> {
  readonly content: ContentOf<Kind>
  /**
   * The frames of the author, the other client and a third client. All of them are in the lobby, and so is the entry.
   */
  readonly delivered: Readonly<Record<'anna' | 'bohdan' | 'vira', FrameType>>
  /** Their frames when an entry with the same content follows. */
  readonly again: Readonly<Record<'anna' | 'bohdan' | 'vira', FrameType>>
  /** The frames of a third client that subscribes with `since`. */
  readonly replayed: FrameType
  readonly countsTowardsHistory: boolean
}

const NOBODY = { anna: undefined, bohdan: undefined, vira: undefined }

/** No client receives it. A presence entry reports the change that it causes. */
const internal = <Kind extends ContentKind>(content: ContentOf<Kind>): Sample<Kind> => ({
  content,
  delivered: NOBODY,
  again: NOBODY,
  replayed: undefined,
  countsTowardsHistory: false,
})

const SAMPLES: { readonly [Kind in ContentKind]: Sample<Kind> } = {
  message: {
    content: { kind: 'message', channel: 'lobby', from: 'anna', id: 'm-1', data: '{"ї":[1]}' },
    delivered: { anna: 'ack', bohdan: 'message', vira: 'message' },
    again: { anna: 'ack', bohdan: undefined, vira: undefined },
    replayed: 'message',
    countsTowardsHistory: true,
  },
  direct: {
    content: { kind: 'direct', to: 'bohdan', from: 'anna', id: 'm-1', data: '"psst"' },
    delivered: { anna: 'ack', bohdan: 'direct', vira: undefined },
    again: { anna: 'ack', bohdan: undefined, vira: undefined },
    replayed: undefined,
    countsTowardsHistory: true,
  },
  instance: internal({ kind: 'instance', build: 'v2', state: 'draining', connections: 7, lagMs: 3, startedAtMs: 5 }),
  lost: internal({ kind: 'lost', instance: 'x' }),
  claim: internal({
    kind: 'claim',
    claims: [{ clientId: 'anna', connectionId: 'c', sessionHash: 'h', hasToken: true, isMoving: false, admittedAt: 4 }],
    releases: [{ clientId: 'ivan', connectionId: 'd' }],
  }),
  members: internal({ kind: 'members', changes: [{ channels: ['lobby'], joined: ['anna'], left: ['ivan'] }] }),
  roster: internal({
    ...{ kind: 'roster', part: 0, parts: 1, members: [{ channels: ['lobby', 'news'], clients: ['anna'] }] },
    claims: [{ clientId: 'anna', connectionId: 'c', sessionHash: 'h', hasToken: false, isMoving: true, admittedAt: 5 }],
  }),
  rosterRequest: internal({ kind: 'rosterRequest', of: 'x' }),
}

/** The messages of an application: no client is their author, although one has the name of the sender. */
const OF_APPLICATION: readonly (Sample<'message'> | Sample<'direct'>)[] = [
  {
    content: { ...SAMPLES.message.content, byApplication: true },
    delivered: { anna: 'message', bohdan: 'message', vira: 'message' },
    again: NOBODY,
    replayed: 'message',
    countsTowardsHistory: true,
  },
  {
    content: { ...SAMPLES.direct.content, byApplication: true },
    delivered: { anna: undefined, bohdan: 'direct', vira: undefined },
    again: NOBODY,
    replayed: undefined,
    countsTowardsHistory: true,
  },
]

const WITHOUT_CONTENT: { readonly [Kind in Exclude<EntryKind, ContentKind>]: true } = {
  presence: true,
  unknown: true,
  placeholder: true,
}

test('every kind in the table has a sample', () => {
  expect([...Object.keys(SAMPLES), ...Object.keys(WITHOUT_CONTENT)].sort()).toEqual([...ENTRY_KINDS].sort())
})

const typeOf = ({ transport }: Member, index: number): unknown => transport.messages[index]?.['type']

describe.each([...Object.values(SAMPLES), ...OF_APPLICATION])(
  'an entry of the kind $content.kind (by the application: $content.byApplication)',
  (sample) => {
    const { content, delivered, again, replayed } = sample
    const written: NewEntry = { ...content, at: 1, node: 'other', sequence: 7 }
    const bytes = encodeEntry(written)

    test('decodes to the encoded value', () => {
      expect(decodeEntry(3, bytes)).toEqual({ ...written, offset: 3, bytes: bytes.length })
    })

    test('is delivered live, and a second entry with the same idempotency key is a retry', async () => {
      const { journal, join } = await openHub()
      const members = { anna: join('anna'), bohdan: join('bohdan'), vira: join('vira') }
      const received = (): unknown => {
        const types = Object.entries(members).map(([name, member]) => [name, typeOf(member, 0)])
        for (const { transport } of Object.values(members)) transport.writes.length = 0
        return Object.fromEntries(types)
      }
      journal.listener?.onBatch([decodeEntry(1, bytes)])
      expect(received()).toEqual(delivered)
      journal.listener?.onBatch([decodeEntry(2, bytes)])
      expect(received()).toEqual(again)
    })

    test('is delivered to a resuming connection as it was delivered live', async () => {
      const { journal, join } = await openHub()
      journal.listener?.onBatch([decodeEntry(1, bytes), decodeEntry(2, bytes)])
      for (const [name, type] of Object.entries(delivered)) {
        const member = join(name, { cursor: { epoch: 'epoch', offset: 0 } })
        await turns()
        const secondType = again[name as keyof typeof again]
        expect(member.transport.messages.map((message) => message['type'])).toEqual(
          [type, secondType].filter((each) => each !== undefined),
        )
      }
    })

    test('is replayed, or not, to a connection that subscribes with since', async () => {
      const { hub, journal, join } = await openHub()
      journal.listener?.onBatch([decodeEntry(1, bytes)])
      const { connection, transport } = join('vira', { channels: [] })
      const since = { epoch: 'epoch', offset: 0 }
      hub.subscriptions.subscribe(connection, ['lobby'], since, () => Buffer.from('{"type":"subscribed"}\n'))
      await turns()
      expect(transport.messages.map((message) => message['type'])).toEqual(
        replayed === undefined ? ['subscribed'] : [replayed, 'subscribed'],
      )
    })

    test('counts towards HISTORY_SIZE, or does not', async () => {
      const { hub, journal } = await openHub({ retention: { maxEntries: 1, maxAgeMs: Infinity, maxBytes: Infinity } })
      journal.listener?.onBatch([1, 2, 3].map((offset) => decodeEntry(offset, bytes)))
      expect(hub.feed.window.size).toBe(sample.countsTowardsHistory ? 1 : 3)
    })
  },
)

test.each(['unknown', 'placeholder'] as const)('an entry of the kind %s is delivered to nobody', async (kind) => {
  const { hub, journal, join } = await openHub()
  const newer = Buffer.from('{"v":2,"k":"poll","t":5,"n":"node","s":6}')
  const entry = kind === 'unknown' ? decodeEntry(1, newer) : placeholderAt(1)
  const anna = join('anna')
  journal.listener?.onBatch([entry])
  const bohdan = join('bohdan', { cursor: { epoch: 'epoch', offset: 0 } })
  await turns()
  expect([hub.feed.window.head, anna.transport.messages, bohdan.transport.messages]).toEqual([1, [], []])
})

test('no file but the table decides by the kind of an entry', () => {
  const source = join(import.meta.dirname, '../../src')
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const kinds = ENTRY_KINDS.join('|')
  const comparisons = [
    new RegExp(`kind\\W*[!=]==?\\s*'(?:${kinds})'`),
    new RegExp(`'(?:${kinds})'\\s*[!=]==?[^\\n]*\\bkind\\b`),
    new RegExp(`switch \\([^)]*\\bkind\\)[^}]*case '(?:${kinds})'`),
  ]
  const compared = files.filter((file) => {
    const text = readFileSync(join(source, file), 'utf8')
    return comparisons.some((comparison) => comparison.test(text))
  })
  expect(files.length).toBeGreaterThan(50)
  expect(compared).toEqual([])
})
