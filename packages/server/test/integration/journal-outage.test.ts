/** The server while its journal cannot be used: its probes, and its answers to clients. */
import { mkdtempSync, readdirSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startServer, type TestServer } from '../support/test-server.js'
import { removeFolder } from '../support/remove-folder.js'

function journalFolder(): string {
  const root = mkdtempSync(join(tmpdir(), 'lastcall-outage-'))
  onTestFinished(() => removeFolder(root))
  return join(root, 'journal')
}

/** Cuts the journal short under the server, and waits until the server has refused a message because of it. */
async function breakJournal(server: TestServer, folder: string): Promise<void> {
  const client = await server.connect('anna')
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.log'))) truncateSync(join(folder, name), 0)
  client.send({ type: 'message', id: 'a-1', data: 'Hello' })
  expect(await client.first('error')).toMatchObject({ code: 'journal_unavailable', id: 'a-1' })
}

const get = async (server: TestServer, path: string) => {
  const answer = await fetch(new URL(path, server.httpUrl))
  return { status: answer.status, body: await answer.json() }
}

describe('while the journal is unavailable', () => {
  test.each([
    [true, 200, { status: 'ready' }],
    [false, 503, { status: 'not ready', reason: 'journal down' }],
  ])('with READY_WITHOUT_JOURNAL=%s /ready answers %s', async (readyWithoutJournal, status, body) => {
    const folder = journalFolder()
    const server = await startServer({ journalUrl: `file:${folder}`, readyWithoutJournal })
    expect(await get(server, '/ready')).toEqual({ status: 200, body: { status: 'ready' } })
    await breakJournal(server, folder)
    expect(await get(server, '/ready')).toEqual({ status, body })
    expect(await get(server, '/health')).toMatchObject({ status: 200, body: { journal: 'down' } })
  })
})
