/**
 * The command on a disk that stops answering: it says so, and it ends.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { Command } from '../support/command.js'

const PRELOAD = fileURLToPath(new URL('../journal/fixtures/stalling-disk.mjs', import.meta.url))

test.skipIf(process.platform === 'win32')(
  'a shutdown ends while the disk does not answer, and does not exit with 0',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-stalled-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const pipe = join(folder, 'pipe')
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
    const command = await Command.serving({
      JOURNAL_URL: `file:${join(folder, 'journal')}`,
      JOURNAL_TIMEOUT: '0.3',
      SHUTDOWN_TIMEOUT: '1',
      CLOSE_TIMEOUT: '0.5',
      NODE_OPTIONS: `--import=${PRELOAD}`,
      STALL_PIPE: pipe,
    })
    const client = await command.connect('anna')
    await client.publish('before')
    command.signal('SIGUSR2')
    await command.said('stalled true')
    client.send({ type: 'message', id: 'a-1', data: 'lost' })
    expect(await client.first('error')).toMatchObject({ code: 'journal_unavailable', id: 'a-1' })
    expect(await command.logged('journal.unavailable')).toMatchObject({ level: 'error' })
    const health = await fetch(new URL('/health', command.httpUrl))
    expect(await health.json()).toMatchObject({ journal: 'down' })
    command.signal('SIGTERM')
    expect(await command.logged('shutdown.given_up')).toMatchObject({ givenUp: ['the journal'] })
    expect(await command.exited).not.toMatchObject({ code: 0 })
  },
)
