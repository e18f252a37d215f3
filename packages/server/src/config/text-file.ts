/**
 * Text files that operators write: ENV_FILE, certificates, keys. Owns their encoding. Some editors write a byte order mark or
 * UTF-16, and a variable's name with such a mark is another name: a server that ignored its AUTH_SECRET for that reason would
 * accept every client.
 */
import { readFileSync } from 'node:fs'

const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const OTHER_MARKS: Readonly<Record<string, Buffer>> = {
  'UTF-32': Buffer.from([0xff, 0xfe, 0, 0]),
  'UTF-16': Buffer.from([0xff, 0xfe]),
  'UTF-16 (big endian)': Buffer.from([0xfe, 0xff]),
}

const begins = (bytes: Buffer, mark: Buffer): boolean => bytes.subarray(0, mark.length).equals(mark)

/** The bytes of a text file without a byte order mark, or as a text the reason why the file cannot be used, to follow its name. */
export function readTextFile(path: string): Buffer | string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
  if (begins(bytes, UTF8_MARK)) bytes = bytes.subarray(UTF8_MARK.length)
  const encoding = Object.entries(OTHER_MARKS).find(([, mark]) => begins(bytes, mark))?.[0]
  if (encoding !== undefined) return `is written in ${encoding}: save it in UTF-8`
  // Text contains no zero byte, but UTF-16 has one in every second byte of a name.
  return bytes.includes(0) ? 'contains zero bytes, as text in UTF-16 does: save it in UTF-8' : bytes
}

/**
 * The same as a text, which must be UTF-8. The explanations around the keys of a PEM file may be in any encoding; names and
 * values may not.
 */
export function readUtf8File(path: string): { readonly text: string } | { readonly reason: string } {
  const bytes = readTextFile(path)
  if (typeof bytes === 'string') return { reason: bytes }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch {
    return { reason: 'is not valid UTF-8: save it in UTF-8' }
  }
}
