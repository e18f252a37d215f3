/**
 * The state of a connection as it travels between processes: plain data with a version. The process that receives it may run
 * another build, so it checks every field, and a later change may only add optional fields. The session in it is a secret: the
 * record is never logged or stored.
 */
import { isChannel, isClientId, LOCALES, parseCursor } from '@lastcall/protocol'
import * as z from 'zod'

/** A build that cannot read a record of this version refuses the connection. */
export const RECORD_VERSION = 1

/** Longer than the greatest number of channels of any build so far, and of refused ids. */
const MAX_ITEMS = 1000

/** The longest text of a field, in UTF-16 units. */
const MAX_TEXT = 4096

const text = z.string().max(MAX_TEXT)
const ageMs = z.number().min(0)
const bucket = z.object({ tokens: z.number().int(), ageMs })

const recordSchema = z.object({
  version: z.literal(RECORD_VERSION),
  /** The id of the instance that hands the connection over. */
  node: text,
  identity: z.object({
    clientId: z.string().refine(isClientId),
    connectionId: text,
    session: text,
    hasToken: z.boolean(),
    /** How far that instance had read the journal when it admitted the client. */
    admittedAt: z.number().int().min(0),
    locale: z.enum(LOCALES),
    strict: z.boolean(),
    /** Milliseconds since 1970; `null`: the client has no token. */
    expiresAtMs: z.number().nullable(),
    /** `null`: all channels. */
    allowedChannels: z.array(text).max(MAX_ITEMS).nullable(),
    address: text.optional(),
  }),
  channels: z.array(z.string().refine(isChannel)).max(MAX_ITEMS),
  /** The position up to which the client has received the journal. */
  cursor: z.string().refine((cursor) => parseCursor(cursor) !== undefined),
  session: z.object({
    budget: z.object({
      messages: bucket.optional(),
      channels: bucket.optional(),
      replay: bucket.optional(),
      frames: bucket.optional(),
    }),
    wrongInARow: z.number().int().min(0),
    refusedIds: z.array(text).max(MAX_ITEMS),
  }),
  connectedAgoMs: ageMs,
  heardAgoMs: ageMs,
  /** Whether the client gave a sign of life since the last ping. */
  isAlive: z.boolean(),
  /** The bytes that were read and not handled. */
  head: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
})

export type HandoverRecord = Readonly<z.output<typeof recordSchema>>

/** `undefined`: the record is of a newer build, or a field is wrong. */
export function parseRecord(record: unknown): HandoverRecord | undefined {
  const parsed = recordSchema.safeParse(record)
  return parsed.success ? parsed.data : undefined
}
