/**
 * A log reader that stops reading stops nothing else, whatever standard output is.
 */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { LOG_READERS, type LogReader, type StartRead } from '../support/log-reader.js'
import { find, lacks } from '../support/programs.js'
import { TestClient } from '../support/test-client.js'
import { environment, isAlive, temporaryFolder } from '../support/workers.js'

const COMMAND = fileURLToPath(new URL('../../bin/lastcall.js', import.meta.url))

/** With names as long as they may be, a line about a message takes more than 200 bytes. */
const CLIENT_ID = 'anna'.padEnd(64, '-')
/** More lines than a descriptor holds and the process keeps for a reader. */
const MANY = 9_000
/** More lines than a descriptor holds. */
const ENOUGH = 2_000

async function start(
  startRead: StartRead,
  folder: string,
  env: Readonly<Record<string, string>> = { JOURNAL_URL: 'memory:', MAX_MESSAGES_PER_MINUTE: '0' },
): Promise<Started> {
  const variables = { HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', LOG_LEVEL: 'debug', BROADCAST_INTERVAL: '0' }
  const reader = await startRead([process.execPath, COMMAND], { ...process.env, ...variables, ...env }, folder)
  const { webSocketUrl, httpUrl } = await reader.logged('listening')
  return { reader, webSocketUrl: String(webSocketUrl), httpUrl: String(httpUrl) }
}

interface Started {
  readonly reader: LogReader
  readonly webSocketUrl: string
  readonly httpUrl: string
}

/** Sends messages until all are acknowledged. */
async function talk(url: string, messages: number): Promise<void> {
  const client = await TestClient.connect(`${url}/${CLIENT_ID}`)
  await client.first('welcome')
  for (let i = 0; i < messages; i++) client.send({ type: 'message', id: String(i), data: '' })
  await client.until((message) => message.type === 'ack' && message.id === String(messages - 1))
  await client.leave()
}

describe.each(Object.entries(LOG_READERS))(
  'a reader of the log at a %s that stops',
  { timeout: 120_000 },
  (kind, startRead) => {
    const isSkipped = kind === 'terminal' && lacks('bsdutils', find('script'))

    test.skipIf(isSkipped)('blocks neither the server nor its shutdown', async () => {
      const { reader, webSocketUrl } = await start(startRead, temporaryFolder())
      reader.stop()
      await talk(webSocketUrl, ENOUGH)
      process.kill(reader.pid, 'SIGTERM')
      if (kind === 'terminal') {
        // `script` detects the end of its child only when it continues.
        await expect.poll(() => isAlive(reader.pid), { timeout: 60_000 }).toBe(false)
        reader.resume()
      }
      expect(await reader.exited).toBe(0)
    })

    test.skipIf(isSkipped)('receives the number of dropped lines when it continues', async () => {
      const { reader, webSocketUrl, httpUrl } = await start(startRead, temporaryFolder())
      reader.stop()
      await talk(webSocketUrl, MANY)
      reader.resume()
      const { dropped, level } = await reader.logged('log.dropped')
      expect(level).toBe('warn')
      expect(dropped).toBeGreaterThan(1_000)
      const metrics = await (await fetch(new URL('metrics', httpUrl))).text()
      expect(metrics).toContain(`lastcall_log_lines_dropped_total ${String(dropped)}`)
    })

    test.skipIf(isSkipped)('blocks no workers, also when new ones start meanwhile', async () => {
      const folder = temporaryFolder()
      const { reader, webSocketUrl, httpUrl } = await start(startRead, folder, environment(folder))
      reader.stop()
      await talk(webSocketUrl, ENOUGH)
      process.kill(reader.pid, 'SIGHUP')
      await expect
        .poll(async () => (await fetch(new URL('metrics', httpUrl))).text(), { timeout: 60_000 })
        .toContain('lastcall_generation 2')
      await talk(webSocketUrl, ENOUGH)
      reader.resume()
      await reader.logged('reload.done')
    })
  },
)
