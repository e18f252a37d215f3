/**
 * A server over a journal of the application (list-journal.ts).
 */
import { expect, test } from 'vitest'
import { createServer } from '../../src/index.js'
import { ListJournal } from '../support/list-journal.js'
import { startServer } from '../support/test-server.js'

test('servers with one journal of the application serve one conversation, across a restart', async () => {
  const journal = new ListJournal()
  const options = { journal, presenceIntervalMs: 0, sessionSecret: 's'.repeat(32) }
  const [first, second] = [await startServer(options), await startServer(options)]
  const anna = await first.connect('anna')
  const bohdan = await second.connect('bohdan')
  await anna.publish('hello', { id: 'a-1' })
  const heard = await bohdan.first('message', ({ data }) => data === 'hello')
  expect(heard).toMatchObject({ from: 'anna', id: 'a-1' })
  const { cursor } = bohdan
  await bohdan.leave()
  await second.close()
  expect([journal.readers, journal.isClosed]).toEqual([1, false])

  await anna.publish('while you were away', { id: 'a-2' })
  const third = await startServer(options)
  const back = await third.connect(`bohdan?cursor=${cursor}`)
  expect(await back.first('welcome')).toMatchObject({ recovered: true })
  await back.first('message', ({ data }) => data === 'while you were away')
  expect(back.all('message')).toHaveLength(1)
})

test('a journal and a journalUrl exclude each other', async () => {
  const creating = createServer({ journal: new ListJournal(), journalUrl: 'memory:' })
  await expect(creating).rejects.toMatchObject({ code: 'config_invalid' })
})
