/**
 * Two clients of the example chat publish while the server restarts.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { Command } from '../support/command.js'

const CHAT = resolve(import.meta.dirname, '../../examples/chat/chat.mjs')

class Chat {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #exitCode: Promise<unknown>
  readonly #lines: string[] = []
  #onLine: () => void = () => undefined

  constructor(name: string, url: string) {
    this.#process = spawn(process.execPath, [CHAT, name, url])
    this.#exitCode = once(this.#process, 'close').then(([code]: unknown[]) => code)
    onTestFinished(() => void this.#process.kill('SIGKILL'))
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line)
        this.#onLine()
      })
    }
  }

  /** The printed messages, without notes and presence. */
  get heard(): string[] {
    return this.#lines.filter((line) => !/^[*+-] /.test(line))
  }

  /** Waits until the program prints this. */
  async prints(text: string): Promise<void> {
    while (!this.#lines.includes(text)) await new Promise<void>((resolve) => (this.#onLine = resolve))
  }

  type(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  /** Ends the input. Resolves with the exit code. */
  leave(): Promise<unknown> {
    this.#process.stdin.end()
    return this.#exitCode
  }
}

test('a message that a user types during an outage arrives once after the restart', async () => {
  const server = await Command.start({ BROADCAST_INTERVAL: '0' })
  const anna = new Chat('anna', server.webSocketUrl)
  await anna.prints('* connected as anna')
  const bob = new Chat('bob', server.webSocketUrl)
  await anna.prints('+ bob')
  bob.type('hello')
  await anna.prints('bob: hello')

  const stopped = server.stop('SIGTERM')
  await anna.prints('* the server closes in 1800 s')
  await server.stop('SIGTERM')
  expect(await stopped).toBe(0)
  await Promise.all(
    [anna, bob].map((each) => each.prints('* the server is away; what you type now is sent when it is back')),
  )
  anna.type('are you there?')
  anna.type('hello?')
  await server.startAgain()
  await bob.prints('anna: hello?')
  await anna.prints('* nothing was missed')

  bob.type('yes')
  expect(await bob.leave()).toBe(0)
  await anna.prints('bob: yes')
  expect(await anna.leave()).toBe(0)
  expect(anna.heard).toEqual(['bob: hello', 'bob: yes'])
  expect(bob.heard).toEqual(['anna: are you there?', 'anna: hello?'])
})

test('the chat ends with a reason when another client uses its name', async () => {
  const server = await Command.start()
  const anna = new Chat('anna', server.webSocketUrl)
  await anna.prints('* connected as anna')
  const other = new Chat('anna', server.webSocketUrl)
  await other.prints('* the end: 4009 Це імʼя вже зайняте')
  expect(await other.leave()).toBe(1)
})
