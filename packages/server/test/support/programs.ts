/**
 * Programs that some tests run besides Node. Without one, they are skipped, or fail with REQUIRE_ALL=1.
 */
import { existsSync } from 'node:fs'

/** Whether one of these files is missing, for `describe.skipIf`; says so. `from`: the Debian package that has it. */
export function lacks(from: string, ...paths: readonly string[]): boolean {
  const missing = paths.filter((path) => !existsSync(path))
  if (missing.length === 0) return false
  const reason = `there is no ${missing.join(', ')} (Debian: ${from})`
  if (process.env['REQUIRE_ALL'] === '1') throw new Error(reason)
  console.warn(`skipped: ${reason}`)
  return true
}
