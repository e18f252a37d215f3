/**
 * Encodes the data of a message. JSON.stringify loses some values silently: the bytes of a Uint8Array become `{"0":1}`, a Map
 * becomes `{}`, NaN becomes null. This encoder refuses such data.
 */
import { ClientError } from './errors.js'

/** @throws {ClientError} `bad_message`: JSON cannot represent the data. */
export function encodeData(data: unknown, stringify?: (data: unknown) => string): string {
  let json: unknown
  let cause: unknown
  try {
    json = stringify ? stringify(data) : JSON.stringify(data, refuseLoss)
    // Invalid JSON would make the frame unreadable, and the server could not name the message that it refuses.
    if (stringify) JSON.parse(json as string)
  } catch (error) {
    cause = error
  }
  if (cause === undefined && typeof json === 'string') return json
  const why = cause instanceof Error ? cause.message : `${typeof data} has no JSON`
  throw new ClientError('bad_message', `the client cannot encode the data: ${why}`, cause)
}

/** A replacer for JSON.stringify: throws for values that JSON cannot represent. `this` is the object that contains the value. */
function refuseLoss(this: unknown, key: string, value: unknown): unknown {
  // Reads the value before toJSON: a Buffer has one.
  const original = (this as Record<string, unknown>)[key]
  const refuse = (what: string): never => {
    throw new TypeError(`JSON has no ${what}`)
  }
  if (ArrayBuffer.isView(original) || original instanceof ArrayBuffer)
    refuse('bytes: send them as text, such as base64')
  if (typeof value === 'bigint') refuse('BigInt: use the option stringify')
  if (value instanceof Map || value instanceof Set) refuse('Map or Set')
  if (typeof value === 'number' && !Number.isFinite(value)) refuse(`${value}`)
  return value
}
