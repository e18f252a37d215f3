/**
 * Programs that some tests run besides Node. Without one, they are skipped, or fail with REQUIRE_ALL=1.
 */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where Debian has what only administrators are thought to run. */
const MORE_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** The file of a program that is in PATH, or where administrators have theirs; its bare name if it is nowhere. */
export function find(program: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_FOLDERS]
  return folders.map((folder) => join(folder, program)).find(existsSync) ?? program
}

/** Whether one of these files is missing, for `describe.skipIf`; says so. `from`: the package that has it. */
export function lacks(from: string, ...files: readonly string[]): boolean {
  const missing = files.filter((file) => !existsSync(file))
  if (missing.length === 0) return false
  const reason = `there is no ${missing.join(', ')} (${from})`
  if (process.env['REQUIRE_ALL'] === '1') throw new Error(reason)
  console.warn(`skipped: ${reason}`)
  return true
}
