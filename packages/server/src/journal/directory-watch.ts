/**
 * Calls back when somebody has written to a segment of a directory; where files cannot be watched, every 50 ms.
 */
import { watch } from 'node:fs'
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'

const UNWATCHED_INTERVAL_MS = 50
const UNWATCHED = 'the journal cannot be watched: what other instances write is noticed later'

/** The answer ends it. */
export function watchSegments(
  path: string,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  onChange: () => void,
): () => void {
  const onError = (error: unknown): void => log.warn('error', { error, path }, UNWATCHED)
  try {
    const watcher = watch(path, { persistent: false }, (_event, name) => {
      if (name?.endsWith('.log') !== false) onChange()
    }).on('error', onError)
    return () => watcher.close()
  } catch (error) {
    onError(error)
    return clock.every(UNWATCHED_INTERVAL_MS, onChange)
  }
}
