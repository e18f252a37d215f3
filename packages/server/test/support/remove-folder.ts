/** Removes a folder at the end of a test. */
import { rmSync } from 'node:fs'

/**
 * Removes a folder and its contents. A process that the test has just ended may still write into the folder, so that its
 * removal needs several attempts.
 */
export const removeFolder = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 })
