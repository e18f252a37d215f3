/**
 * The secret that signs sessions, stored beside a file journal. A client whose server crashed presents its session to
 * the next process, which must accept it, or it would reject the client as a stranger with the client's own name. All
 * processes that share the directory use the same secret.
 */
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Randomness } from '../randomness.js'
import { codeOf, explain, isMissing, unavailable, unusable } from './journal-errors.js'

/** SegmentDirectory lists it among the names that a journal's directory may contain. */
const NAME = 'session-secret'
const SECRET_BYTES = 32
/** Only the server's user may read it. */
const MODE = 0o600

/**
 * @param directory The directory of a journal that is open.
 * @throws {LastcallError} `journal_unusable`, `journal_unavailable`
 */
export async function keptSessionSecret(directory: string, randomness: Pick<Randomness, 'bytes'>): Promise<string> {
  const path = join(directory, NAME)
  try {
    return (await read(path)) ?? (await make(directory, path, randomness))
  } catch (error) {
    throw explain(path, error)
  }
}

async function make(directory: string, path: string, { bytes }: Pick<Randomness, 'bytes'>): Promise<string> {
  // The journal removes files with such a name if the process was killed before it removed them itself.
  const temporary = join(directory, `${bytes(8).toString('hex')}.tmp`)
  try {
    const secret = bytes(SECRET_BYTES).toString('base64url')
    await writeFile(temporary, `${secret}\n`, { flag: 'wx', mode: MODE, flush: true })
    // Unlike a rename, a link never replaces an existing file, so only one of several processes stores its secret.
    await link(temporary, path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
  const secret = await read(path)
  if (secret === undefined) throw unavailable(path, 'it was removed while it was being made')
  return secret
}

/** `undefined`: the file does not exist. */
async function read(path: string): Promise<string | undefined> {
  const secret = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (secret === undefined) return undefined
  if (Buffer.from(secret.trim(), 'base64url').length === SECRET_BYTES) return secret.trim()
  throw unusable(
    path,
    'it contains no session secret',
    'Remove it: the server then makes another one, and sessions end.',
  )
}
