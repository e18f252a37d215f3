/**
 * Calls back when any process has written to a segment of a directory. If the system cannot watch files, it calls back
 * every 50 ms.
 */
import { watch } from 'node:fs'
import type { Clock } from '../clock.js'
import type { Logger } from '../observability/log.js'

const UNWATCHED_INTERVAL_MS = 50
const UNWATCHED = 'the system cannot watch the directory of the journal: the server looks for new entries every 50 ms'

/** Starts watching. The returned function ends it. */
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
