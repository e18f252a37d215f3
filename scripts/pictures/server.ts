/**
 * The real command for a picture: on a free port, with a temporary file journal, and its log as objects.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { COMMAND } from '../repository.js'

/** A line of the server's log. The event decides which other fields the line has. */
export interface LogLine {
  readonly event: string
  readonly [field: string]: unknown
}

export interface PictureServer {
  readonly child: ChildProcess
  readonly port: number
  /** A temporary folder of the server, which `stop` deletes. */
  readonly folder: string
  /** Resolves with the first line of this event; rejects when the process ends before. */
  readonly logged: (event: string) => Promise<LogLine>
  readonly stop: () => Promise<void>
}

/**
 * Starts the command and resolves when it listens.
 *
 * @param variables Its configuration. `folder`: a temporary folder.
 */
export async function startServer(
  variables: (folder: string) => Readonly<Record<string, string>>,
): Promise<PictureServer> {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-picture-'))
  const child = spawn(process.execPath, [COMMAND], {
    env: {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_FORMAT: 'json',
      JOURNAL_URL: `file:${join(folder, 'journal')}`,
      ...variables(folder),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const lines: LogLine[] = []
  const waiting = new Set<(line: LogLine) => void>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as LogLine
    lines.push(line)
    for (const look of waiting) look(line)
  })

  const logged = (event: string): Promise<LogLine> =>
    new Promise((resolve, reject) => {
      const look = (line: LogLine): void => {
        if (line.event !== event) return
        waiting.delete(look)
        resolve(line)
      }
      waiting.add(look)
      void ended.then(() => reject(new Error(`the server ended before it logged ${event}`)))
      for (const line of lines) look(line)
    })

  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const { port } = await logged('listening')
    return { child, folder, logged, port: Number(port), stop }
  } catch (error) {
    await stop()
    throw error
  }
}
