/**
 * The real command for a picture: on a free port, with a temporary file journal, and its log as objects.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('../../packages/server/bin/lastcall.js', import.meta.url))

/**
 * Starts the command and resolves when it listens.
 *
 * @param {(folder: string) => Readonly<Record<string, string>>} variables Its configuration. `folder`: a temporary folder.
 */
export async function startServer(variables) {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-picture-'))
  const child = spawn(process.execPath, [COMMAND], {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_FORMAT: 'json',
      JOURNAL_URL: `file:${join(folder, 'journal')}`,
      ...variables(folder),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const lines = []
  const waiting = new Set()
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text)
    lines.push(line)
    for (const look of waiting) look(line)
  })

  /** Resolves with the first line of this event; rejects when the process ends before. */
  const logged = (event) =>
    new Promise((resolve, reject) => {
      const look = (line) => {
        if (line.event !== event) return
        waiting.delete(look)
        resolve(line)
      }
      waiting.add(look)
      void ended.then(() => reject(new Error(`the server ended before it logged ${event}`)))
      for (const line of lines) look(line)
    })

  const server = {
    child,
    folder,
    logged,
    port: 0,
    async stop() {
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    server.port = (await logged('listening')).port
  } catch (error) {
    await server.stop()
    throw error
  }
  return server
}
