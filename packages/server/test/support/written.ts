/** The content of a file journal, whichever process wrote it. */
import type { Entry } from '../../src/journal/journal.js'
import { openJournal } from '../../src/journal/open-journal.js'

export async function entriesIn(journalUrl: string): Promise<Entry[]> {
  const retention = { maxEntries: 1e9, maxAgeMs: 1e12, maxBytes: 1e12 }
  const journal = await openJournal(journalUrl, { retention })
  const entries: Entry[] = []
  await journal.tail({
    onEpoch: () => undefined,
    onBatch: (batch) => void entries.push(...batch),
    onAvailability: () => undefined,
  })
  await journal.close()
  return entries
}
