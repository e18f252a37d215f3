/**
 * Encodes what the application publishes. JSON.stringify loses some values without a word: the bytes of a Uint8Array
 * become `{"0":1}`, a Map becomes `{}`, NaN becomes null. Such data is refused here.
 */
import { ClientError } from './errors.js'

/** @throws {ClientError} `bad_message`: the data is not JSON. */
export function encodeData(data: unknown, stringify?: (data: unknown) => string): string {
  let json: unknown
  let cause: unknown
  try {
    json = stringify ? stringify(data) : JSON.stringify(data, refuseLoss)
    // Text that is not JSON would spoil the frame: the server could not say which message it refuses.
    if (stringify) JSON.parse(json as string)
  } catch (error) {
    cause = error
  }
  if (cause === undefined && typeof json === 'string') return json
  const why = cause instanceof Error ? cause.message : `${typeof data} has no JSON`
  throw new ClientError('bad_message', `the data cannot be sent: ${why}`, cause)
}

/** As a replacer of JSON.stringify: throws for values that JSON cannot hold. `this` is the object that holds the value. */
function refuseLoss(this: unknown, key: string, value: unknown): unknown {
  // Before toJSON: a Buffer has one.
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
