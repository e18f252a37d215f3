/**
 * The specification's own integration test, by a client of another language: Debian's python3-websockets.
 */
import { execFile, spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { Command } from '../support/command.js'

const PYTHON = '/usr/bin/python3'
const IS_THERE = spawnSync(PYTHON, ['-c', 'import websockets']).status === 0
const MUST_BE_THERE = process.env['REQUIRE_ALL'] === '1'
if (!IS_THERE && !MUST_BE_THERE)
  console.warn(`${PYTHON} has no websockets (Debian: python3-websockets): not tested with it`)

const python = (program: string, ...args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(PYTHON, ['-c', program, ...args], { env: { PYTHONIOENCODING: 'utf-8' } }, (error, out, err) => {
      if (error) reject(new Error(err))
      else resolve(out)
    })
  })

test.runIf(IS_THERE || MUST_BE_THERE)(
  'a Python client connects to /ws/test, and the first text contains Вітаємо',
  async () => {
    const command = await Command.serving()
    const program = `
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as websocket:
        print(await websocket.recv())
asyncio.run(main())
`
    expect(await python(program, `${command.webSocketUrl}/test`)).toContain('Вітаємо')
  },
)

test.runIf(IS_THERE || MUST_BE_THERE)(
  'a Python client that loses its connection after 100 messages resumes with exactly the 500 missed ones in order, then live ones',
  async () => {
    const command = await Command.serving({ MAX_MESSAGES_PER_MINUTE: '0', PRESENCE_INTERVAL: '0' })
    const speaker = await command.connect('speaker')
    const say = async (count: number): Promise<void> => {
      for (let index = 1; index < count; index++) speaker.send({ type: 'message', data: index })
      await speaker.publish(count)
    }
    const read = `
import asyncio, json, sys, websockets
async def main():
    websocket = await websockets.connect(sys.argv[1])
    welcome = json.loads(await websocket.recv())
    messages = [json.loads(await websocket.recv()) for _ in range(int(sys.argv[2]))]
    print(json.dumps({ "welcome": welcome, "messages": messages }))
    websocket.transport.abort()
asyncio.run(main())
`
    interface Heard {
      readonly welcome: { readonly cursor: string; readonly recovered: boolean | null }
      readonly messages: { readonly type: string; readonly offset: number }[]
    }
    const { cursor } = await speaker.first('welcome')
    await say(100)
    const first = JSON.parse(await python(read, `${command.webSocketUrl}/snake?cursor=${cursor}`, '100')) as Heard
    expect(first.messages.map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    await say(500)
    const [epoch] = cursor.split(':') as [string]
    const second = python(read, `${command.webSocketUrl}/snake2?cursor=${epoch}:100`, '510')
    await say(10)
    const { welcome, messages } = JSON.parse(await second) as Heard
    expect(welcome.recovered).toBe(true)
    expect(messages.map(({ type, offset }) => [type, offset])).toEqual(
      Array.from({ length: 510 }, (_, index) => ['message', index + 101]),
    )
  },
)
