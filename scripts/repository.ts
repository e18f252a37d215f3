/**
 * Where the files of this repository are. A program here runs as the compiled file in dist/, and a test imports its source: an
 * address that is relative to the importing file would mean two different files.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository, absolute. */
export const ROOT = rootAbove(dirname(fileURLToPath(import.meta.url)))

/** The command `lastcall`, for `spawn`. */
export const COMMAND = join(ROOT, 'packages/server/bin/lastcall.js')

function rootAbove(folder: string): string {
  if (existsSync(join(folder, 'package-lock.json'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('no folder above this file has a package-lock.json: run this from a checkout')
  return rootAbove(parent)
}
