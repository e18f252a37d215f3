/**
 * `kill -9` and a restart on the same file journal. Every acknowledged message is in the journal, offsets continue, and
 * a client that resumes misses nothing.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Command } from '../support/command.js'
import type { TestClient } from '../support/test-client.js'
import { entriesIn } from '../support/written.js'
import { removeFolder } from '../support/remove-folder.js'

const offsets = (client: TestClient): number[] =>
  client.messages.flatMap((message) => ('offset' in message && message.type !== 'pong' ? [message.offset] : []))

test('in the middle of writing, three times', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-kill-'))
  onTestFinished(() => removeFolder(folder))
  const env = { JOURNAL_URL: `file:${folder}`, MAX_MESSAGES_PER_MINUTE: '0', PRESENCE_INTERVAL: '0' }
  const acked = new Map<string, number>()
  let cursor: string | undefined
  let sent = 0
  for (let round = 0; round < 3; round++) {
    const command = await Command.serving(env)
    const speaker = await command.connect('speaker')
    cursor ??= speaker.cursor
    for (let index = 0; index < 1000; index++) speaker.send({ type: 'message', data: ++sent, id: `i${sent}` })
    await speaker.until(() => speaker.all('ack').length > 100)
    command.signal('SIGKILL')
    await speaker.closed
    for (const { id, offset } of speaker.all('ack')) if (id !== undefined) acked.set(id, offset)
    expect(await command.exited).toEqual({ code: null, signal: 'SIGKILL' })
  }

  const command = await Command.serving(env)
  const listener = await command.connect(`listener?cursor=${String(cursor)}`)
  expect(await listener.first('welcome')).toMatchObject({ recovered: true })
  const last = await (await command.connect('another')).publish('last')
  await listener.until((message) => 'offset' in message && message.offset === last)
  const written = await entriesIn(env.JOURNAL_URL)
  expect(offsets(listener)).toEqual(written.flatMap(({ kind, offset }) => (kind === 'message' ? [offset] : [])))
  const heard = new Map(listener.all('message').map(({ id, offset }) => [id, offset]))
  for (const [id, offset] of acked) expect(heard.get(id)).toBe(offset)
  expect(heard.size).toBe(offsets(listener).length)
})
