/** A real NOTIFY_SOCKET, and the messages that arrived there. */
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { ROOT } from '../../../../scripts/repository.js'
import { removeFolder } from './remove-folder.js'

export const PYTHON = '/usr/bin/python3'
const PROGRAM = join(ROOT, 'packages/server/test/process/fixtures/notify-socket.py')

/** The assignments of one message. */
export type Notification = Readonly<Record<string, string>>

export class NotifySocket {
  readonly path: string
  /** In the order in which they came, but for BARRIER=1, which is a matter between systemd-notify and systemd. */
  readonly messages: Notification[] = []
  readonly #checks = new Set<() => void>()

  private constructor(path: string) {
    this.path = path
  }

  static async open(): Promise<NotifySocket> {
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-notify-'))
    const socket = new NotifySocket(join(folder, 'notify'))
    const child = spawn(PYTHON, [PROGRAM, socket.path], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => {
      child.kill()
      removeFolder(folder)
    })
    await new Promise<void>((resolve, reject) => {
      child.on('exit', () => reject(new Error('the notification socket has gone')))
      createInterface({ input: child.stdout }).on('line', (line) => {
        const text = JSON.parse(line) as string
        if (text === 'bound') resolve()
        else if (text !== 'BARRIER=1') socket.#take(text)
      })
    })
    return socket
  }

  #take(text: string): void {
    this.messages.push(
      Object.fromEntries(
        text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      ),
    )
    for (const check of [...this.#checks]) check()
  }

  /** The first message that fits, of those from the so manieth on; waits for it. */
  until(fits: (message: Notification) => boolean, from = 0): Promise<Notification> {
    return new Promise((resolve) => {
      const check = (): void => {
        const message = this.messages.slice(from).find(fits)
        if (!message) return
        this.#checks.delete(check)
        resolve(message)
      }
      this.#checks.add(check)
      check()
    })
  }

  /** Every value that was given to one of these variables so far, with its name. */
  all(...names: readonly string[]): string[] {
    return this.messages.flatMap((message) =>
      names.flatMap((name) => (message[name] === undefined ? [] : [`${name}=${message[name]}`])),
    )
  }
}
