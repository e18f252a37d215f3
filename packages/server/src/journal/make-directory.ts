/**
 * Creates a directory and those above it. Node's own `mkdir` with `recursive` never returns on a file system that
 * answers ENOENT although the directory above exists, such as /proc.
 */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, ELSEWHERE, isMissing, unusable } from './journal-errors.js'

/** Resolves when `path` is a directory, whichever process created it. */
export async function makeDirectory(path: string): Promise<void> {
  if (await makeOne(path)) return
  const above = dirname(path)
  if (above !== path && !(await exists(above))) {
    await makeDirectory(above)
    if (await makeOne(path)) return
  }
  throw unusable(path, `its file system makes no directories in ${above}`, ELSEWHERE)
}

/** Returns `false` if the system answers that the directory above is missing. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path)
  } catch (error) {
    if (isMissing(error)) return false
    const isThere = codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()
    if (!isThere) throw error
  }
  return true
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
