/** The record of a connection, which another build may have made. */
import { describe, expect, test } from 'vitest'
import { parseRecord, type HandoverRecord } from '../../src/handover/record.js'

const RECORD: HandoverRecord = {
  version: 1,
  node: 'AbCdEf12',
  identity: {
    clientId: 'olena',
    connectionId: '0b6c1f0e-8c5f-4f0e-9d58-3a9be1a3d0aa',
    session: 'a secret',
    hasToken: true,
    admittedAt: 41,
    locale: 'uk',
    strict: true,
    expiresAtMs: 1_800_000_000_000,
    allowedChannels: ['room-*'],
  },
  channels: ['lobby', 'room-7'],
  cursor: 'a1b2c3d4:42',
  session: { budget: { messages: { tokens: 120_000, ageMs: 7 } }, wrongInARow: 2, refusedIds: ['m-1'] },
  connectedAgoMs: 60_000,
  heardAgoMs: 12.5,
  isAlive: true,
  head: Buffer.from([0x81]),
}

describe('the record of a connection', () => {
  test('is read as it was made, and a field of a later build is ignored', () => {
    expect(parseRecord(structuredClone(RECORD))).toMatchObject({ ...RECORD, head: new Uint8Array([0x81]) })
    expect(parseRecord({ ...RECORD, colour: 'red' })).toEqual(RECORD)
  })

  test.each<[string, unknown]>([
    ['another version', { ...RECORD, version: 2 }],
    ['no cursor', { ...RECORD, cursor: 'nowhere' }],
    ['a channel that cannot exist', { ...RECORD, channels: ['no spaces, please'] }],
    ['a name that cannot exist', { ...RECORD, identity: { ...RECORD.identity, clientId: '' } }],
    ['a negative age', { ...RECORD, heardAgoMs: -1 }],
    ['a missing part', { ...RECORD, identity: undefined }],
    ['bytes that are a text', { ...RECORD, head: 'abc' }],
    ['too many ids', { ...RECORD, session: { ...RECORD.session, refusedIds: Array<string>(1001).fill('x') } }],
    ['nothing', undefined],
  ])('with %s is refused', (_, record) => {
    expect(parseRecord(record)).toBeUndefined()
  })
})
