/**
 * Server frames: what was put in comes out, by a reader that we did not write and by one that checks every bit.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { decodeTextFrame, encodeTextFrame, PING_FRAME } from '../../src/websocket/frame.js'
import { OPCODES, readFrames } from '../support/raw-client.js'

/** The lengths at which the header changes, and those beside them. */
const BOUNDARIES = [0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 1_000_000]

describe('a text frame', () => {
  test.each(BOUNDARIES)('of %i bytes has the shortest header that tells its length', (length) => {
    const frame = encodeTextFrame('a'.repeat(length))
    expect(frame.length).toBe(length + (length < 126 ? 2 : length < 65536 ? 4 : 10))
    const { frames, rest } = readFrames(frame)
    expect(frames).toHaveLength(1)
    expect(frames[0]?.opcode).toBe(OPCODES.text)
    expect(frames[0]?.payload.equals(Buffer.alloc(length, 'a'))).toBe(true)
    expect(rest).toHaveLength(0)
  })

  test('of letters of two, three and four bytes tells bytes, not letters', () => {
    for (const letter of ['ї', '€', '👋']) {
      for (const length of [31, 32, 63, 64, 16_383, 16_384, 32_768]) {
        const text = letter.repeat(length)
        expect(readFrames(encodeTextFrame(text)).frames[0]?.payload.toString()).toBe(text)
      }
    }
  })

  test('holds any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(readFrames(encodeTextFrame(text)).frames[0]?.payload.toString()).toBe(text)
      }),
    )
  })
})

test('a ping is two bytes', () => {
  expect(readFrames(PING_FRAME).frames).toEqual([{ opcode: OPCODES.ping, payload: Buffer.alloc(0) }])
})

test('frames that were joined and cut anywhere are read by `ws` as what they were', async () => {
  const texts = [
    ...BOUNDARIES.map((length) => 'ї'.repeat(length >> 1)),
    ...fc.sample(fc.string({ unit: 'grapheme', maxLength: 200 }), 200),
  ]
  const bytes = Buffer.concat(
    texts.flatMap((text, index) => (index % 7 ? [] : [PING_FRAME]).concat(encodeTextFrame(text))),
  )

  const http = createServer()
  const server = new WebSocketServer({ noServer: true })
  http.on('upgrade', (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (webSocket) => {
      let at = 0
      for (let step = 1; at < bytes.length; step = (step * 7) % 90_001) {
        socket.write(bytes.subarray(at, at + step))
        at += step
      }
      webSocket.close(1000)
    })
  })
  http.listen(0, '127.0.0.1')
  onTestFinished(() => void http.close())
  await once(http, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`)
  const read: string[] = []
  let pings = 0
  client.on('message', (data: Buffer) => read.push(data.toString()))
  client.on('ping', () => pings++)
  expect(await once(client, 'close')).toEqual([1000, Buffer.alloc(0)])
  expect(read).toEqual(texts)
  expect(pings).toBe(Math.ceil(texts.length / 7))
})

test.each([0, 1, 125, 126, 65_535, 65_536, 100_000])('a text of %i bytes can be read back from its frame', (length) => {
  const text = 'x'.repeat(length)
  expect(decodeTextFrame(encodeTextFrame(text))).toBe(text)
  expect(decodeTextFrame(encodeTextFrame('сова'))).toBe('сова')
})
