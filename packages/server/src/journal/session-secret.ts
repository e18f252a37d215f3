/**
 * The secret with which sessions are signed, kept beside a file journal: a client whose server crashed presents its
 * session to the next one, which must not take it for a stranger that uses the client's name. All processes that share
 * the directory agree on it.
 */
import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, explain, isMissing, unavailable, unusable } from './journal-errors.js'

/** Listed in SegmentDirectory as a name that a journal's directory may have. */
const NAME = 'session-secret'
const SECRET_BYTES = 32
/** Nobody but the server's user may read it. */
const MODE = 0o600

/**
 * @param directory of a journal that is open.
 * @throws {LastcallError} `journal_unusable`, `journal_unavailable`
 */
export async function keptSessionSecret(directory: string): Promise<string> {
  const path = join(directory, NAME)
  try {
    return (await read(path)) ?? (await make(directory, path))
  } catch (error) {
    throw explain(path, error)
  }
}

async function make(directory: string, path: string): Promise<string> {
  // A name under which the journal removes what a killed process has left.
  const temporary = join(directory, `${randomBytes(8).toString('hex')}.tmp`)
  try {
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    await writeFile(temporary, `${secret}\n`, { flag: 'wx', mode: MODE, flush: true })
    // Unlike a rename, a link does not replace what is there: of several processes one wins.
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

/** `undefined`: there is none. */
async function read(path: string): Promise<string | undefined> {
  const secret = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (secret === undefined) return undefined
  if (Buffer.from(secret.trim(), 'base64url').length === SECRET_BYTES) return secret.trim()
  throw unusable(path, 'it is no session secret', 'Remove it: the server then makes another one, and sessions end.')
}
