/**
 * The encoding of a text as the bytes that a transport writes. The encoding belongs to the transport; inner code receives it as
 * a function.
 */
import type { Locale, ServerMessage } from '@lastcall/protocol'

/** Encodes a text as one frame. */
export type EncodeFrame = (text: string) => Buffer

/** The same message in every language. Each language is encoded once, when a client needs it for the first time. */
export function localized(encode: EncodeFrame, message: (locale: Locale) => ServerMessage): (locale: Locale) => Buffer {
  const frames: Partial<Record<Locale, Buffer>> = {}
  return (locale) => (frames[locale] ??= encode(JSON.stringify(message(locale))))
}
