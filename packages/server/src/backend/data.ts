/**
 * Encodes the data of a back end's message. JSON.stringify loses some values silently: a Map becomes `{}` and NaN becomes
 * null. This encoder refuses such data.
 */
import { LastcallError } from '../errors.js'

/** @throws {LastcallError} `invalid_argument`: JSON cannot represent the data without a loss. */
export function jsonOf(data: unknown): string {
  let json: unknown
  try {
    json = JSON.stringify(data, refuseLoss)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LastcallError('invalid_argument', `the data cannot be encoded: ${why}`, { cause })
  }
  if (typeof json === 'string') return json
  throw new LastcallError('invalid_argument', `the data cannot be encoded: ${typeof data}`)
}

/** A replacer for JSON.stringify: throws for values that JSON cannot represent. `this` is the object that contains the value. */
function refuseLoss(this: unknown, key: string, value: unknown): unknown {
  // The value before toJSON: a Buffer has one.
  const original = (this as Readonly<Record<string, unknown>>)[key]
  if (ArrayBuffer.isView(original) || original instanceof ArrayBuffer) {
    throw new TypeError('JSON has no bytes: send them as text, such as base64')
  }
  if (typeof value === 'bigint') throw new TypeError('JSON has no BigInt: send it as text')
  if (value instanceof Map || value instanceof Set) throw new TypeError('JSON has no Map or Set')
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`JSON has no ${value}`)
  return value
}
