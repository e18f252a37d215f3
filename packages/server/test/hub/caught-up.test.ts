/**
 * `pong` marks the end of a catch-up for a client.
 */
import { expect, test } from 'vitest'
import { startServer } from '../support/test-server.js'

test('a pong follows every missed entry and carries the offset up to which the server has delivered', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const anna = await server.connect('anna')
  const { cursor, session } = await anna.first('welcome')
  await anna.leave()
  const boris = await server.connect('boris')
  // More entries than a chunk of a catch-up holds.
  const data = 'x'.repeat(2000)
  for (let i = 0; i < 400; i++) boris.send({ type: 'message', data })
  const last = await boris.publish('the last one')

  const back = await server.connect(`anna?cursor=${cursor}&session=${session}`)
  back.send({ type: 'ping' })
  const pong = await back.first('pong')

  expect(pong.offset).toBe(last)
  const before = back.messages.slice(0, back.messages.indexOf(pong))
  expect(before.filter(({ type }) => type === 'message')).toHaveLength(401)
})

test('a pong moves the cursor of a client that no entry concerned', async () => {
  const server = await startServer({ presenceIntervalMs: 0, historySize: 10 })
  const anna = await server.connect('anna')
  const { cursor, session } = await anna.first('welcome')
  anna.send({ type: 'unsubscribe', channels: ['lobby'] })
  await anna.first('unsubscribed')
  const boris = await server.connect('boris')
  for (let i = 0; i < 20; i++) await boris.publish(i)

  anna.send({ type: 'ping' })
  await anna.first('pong')
  const then = anna.cursor
  await anna.leave()

  const comeBack = (from: string) => server.connect(`anna?cursor=${from}&session=${session}`)
  const outOfReach = await comeBack(cursor)
  expect((await outOfReach.first('welcome')).recovered).toBe(false)
  await outOfReach.leave()
  const recovered = await comeBack(then)
  expect((await recovered.first('welcome')).recovered).toBe(true)
})

test('a live connection gets its pong at once', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const anna = await server.connect('anna')
  const offset = await anna.publish('hello')
  anna.send({ type: 'ping' })
  expect(await anna.first('pong')).toEqual({ type: 'pong', offset })
})
