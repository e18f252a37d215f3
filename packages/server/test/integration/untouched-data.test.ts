/**
 * `data` passes through the server byte for byte: live, from the journal's disk after a restart, and past a hook.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../support/test-server.js'
import { removeFolder } from '../support/remove-folder.js'

/** Texts that JSON.stringify(JSON.parse(text)) changes. */
const CHANGED_BY_JSON = [
  '900719925474099312345',
  '-1e999',
  '0.1000',
  '{"z":0,"a":1,"z":2}',
  '"\\u00e9\\/\\ud800"',
  '[ 1 ,\r\n\t[ ] ]',
  '{"9":"","1":""}',
]

/** The text of `data` in a frame of the server: it stands between `from` and the message's own id. */
const dataOf = (frame: string, id: string): string | undefined =>
  new RegExp(`"from":"anna","data":([^]*),"id":"${id}"`).exec(frame)?.[1]

const spaced = fc
  .tuple(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'))
  .map(([value, space]) => JSON.stringify(value, null, space))

test('channel and direct messages reach their recipients with the bytes that the sender wrote', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const [anna, borys] = [await server.connect('anna', { protocol: 'lastcall.v1' }), await server.connect('borys')]
  const texts = [...CHANGED_BY_JSON, ...fc.sample(spaced, 100)]
  for (const [index, data] of texts.entries()) {
    anna.send(`{"id":"m${index}","data":${data},"type":"message"}`)
    anna.send(`{"type":"direct","data" : ${data}\n,"to":"borys","id":"d${index}"}`)
  }
  await anna.publish('end', { id: 'end' })
  await borys.first('message', ({ id }) => id === 'end')
  const received = borys.texts.filter((text) => /^{"type":"(message|direct)"/.test(text))
  for (const [index, data] of texts.entries()) {
    expect(dataOf(received[2 * index] ?? '', `m${index}`)).toBe(data)
    expect(dataOf(received[2 * index + 1] ?? '', `d${index}`)).toBe(data)
  }
})

test('a replay from the disk of a journal has the same bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-untouched-'))
  onTestFinished(() => removeFolder(folder))
  const options = { presenceIntervalMs: 0, journalUrl: `file:${join(folder, 'journal')}`, shutdownTimeoutSeconds: 0 }
  const first = await startServer(options)
  const [anna, borys] = [await first.connect('anna'), await first.connect('borys')]
  const { cursor } = borys
  await borys.leave()
  for (const [index, data] of CHANGED_BY_JSON.entries()) anna.send(`{"type":"message","id":"m${index}","data":${data}}`)
  await anna.publish('end', { id: 'end' })
  first.connections.terminateAll()
  await first.close()

  const second = await startServer(options)
  const back = await second.connect(`borys?cursor=${cursor}`)
  await back.first('message', ({ id }) => id === 'end')
  const replayed = back.texts.filter((text) => text.startsWith('{"type":"message"'))
  for (const [index, data] of CHANGED_BY_JSON.entries()) expect(dataOf(replayed[index] ?? '', `m${index}`)).toBe(data)
})

test('a hook gets parsed data, and only data that it replaces is encoded anew', async () => {
  const seen: unknown[] = []
  const hooks = {
    onMessage({ data }: { readonly data: unknown }) {
      seen.push(data)
      return data === 'replace me' ? { data: { replaced: true } } : undefined
    },
  }
  const server = await startServer({ presenceIntervalMs: 0, hooks })
  const [anna, borys] = [await server.connect('anna'), await server.connect('borys')]
  anna.send('{"type":"message","id":"m0","data":[900719925474099312345, 1.0]}')
  anna.send('{"type":"message","id":"m1","data":"\\u0072eplace me"}')
  await borys.first('message', ({ id }) => id === 'm1')
  const received = borys.texts.filter((text) => text.startsWith('{"type":"message"'))
  expect(dataOf(received[0] ?? '', 'm0')).toBe('[900719925474099312345, 1.0]')
  expect(dataOf(received[1] ?? '', 'm1')).toBe('{"replaced":true}')
  expect(seen).toEqual([[900719925474099300000, 1], 'replace me'])
})

test('a text without the subprotocol arrives as a JSON string with the same characters', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const [anna, borys] = [await server.connect('anna'), await server.connect('borys')]
  const texts = ['738529527931269425', '1e400', ' "quoted" \\ \u2028 \u0007', '{"data":1}', '[1]']
  for (const text of texts) anna.send(text)
  await anna.publish('end')
  await borys.first('message', ({ data }) => data === 'end')
  expect(borys.heard).toEqual([...texts, 'end'])
})
