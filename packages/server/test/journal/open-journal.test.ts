import { mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openJournal } from '../../src/journal/open-journal.js'
import { engineRetention } from '../../src/journal/entry-limit.js'
import { messages, record, UNLIMITED } from '../../src/testing/index.js'
import { removeFolder } from '../support/remove-folder.js'

describe('JOURNAL_URL', () => {
  let root: string

  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'lastcall-open-')))
  })

  afterEach(() => removeFolder(root))

  it('file: accepts an absolute or a relative path or a file URL, and creates the directories', async () => {
    const path = join(root, 'a b', 'journal')
    const urls = [`file:${path}`, `file:${relative(process.cwd(), path)}`, pathToFileURL(path).href, `FILE:${path}/`]
    for (const [index, url] of urls.entries()) {
      const journal = await openJournal(url, { retention: UNLIMITED })
      expect((await record(journal)).lastOffset).toBe(index)
      await journal.append(messages(1))
      await journal.close()
    }
  })

  it('file: retains more than the window, and refuses an entry that the window could not hold', async () => {
    const url = `file:${join(root, 'journal')}`
    const retention = engineRetention({ ...UNLIMITED, maxEntries: 5, maxBytes: 1_000_000 })
    const journal = await openJournal(url, { retention })
    await journal.append(messages(10_100))
    const recorder = await record(journal)
    expect([recorder.offsets[0], recorder.lastOffset]).toEqual([10_100 - 10_010 + 1, 10_100])
    const tooLarge = journal.append(messages(1, 'x'.repeat(1_000_000)))
    await expect(tooLarge).rejects.toMatchObject({ code: 'entry_too_large' })
    await journal.close()
  })

  it.each(['', 'journal', './journal', '/var/journal', 'http://localhost', 'file:', 'postgres://localhost'])(
    '%j is refused: no journal',
    async (url) => {
      const opening = openJournal(url, { retention: UNLIMITED })
      await expect(opening).rejects.toMatchObject({ code: 'config_invalid', temporary: false })
    },
  )

  it('never appears with its password in an error', async () => {
    const opening = openJournal('mysql://user:secret@localhost/db', { retention: UNLIMITED })
    await expect(opening).rejects.toThrow(/^(?!.*secret).*mysql:\/\/\(hidden\)@localhost/)
  })
})
