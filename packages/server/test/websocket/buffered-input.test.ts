/** The buffered bytes of `ws`, moved to another receiver at every byte of a stream. */
import { describe, expect, test } from 'vitest'
import { bufferedInput } from '../../src/websocket/buffered-input.js'
import { checkBufferedInput } from '../../src/websocket/buffered-input-check.js'
import { systemRandomness } from '../../src/randomness.js'

describe('the self-check of the buffered input', () => {
  test('passes with the installed version of ws, for any stream', () => {
    for (let run = 0; run < 5; run++) expect(checkBufferedInput(systemRandomness)).toBe(true)
  })

  test('fails when a byte is missing, when one is wrong, and when nothing can be read', () => {
    const isFine = (change: (bytes: Buffer) => Buffer | undefined): boolean =>
      checkBufferedInput(systemRandomness, (webSocket) => {
        const bytes = bufferedInput(webSocket)
        return bytes && change(bytes)
      })
    expect(isFine((bytes) => bytes)).toBe(true)
    expect(isFine((bytes) => bytes.subarray(0, -1))).toBe(false)
    expect(isFine((bytes) => Buffer.from(bytes.map((byte, index) => (index === 3 ? byte ^ 1 : byte))))).toBe(false)
    expect(isFine(() => undefined)).toBe(false)
  })

  test('fails when the receiver has other fields', () => {
    expect(bufferedInput({})).toBeUndefined()
    expect(bufferedInput({ _receiver: { _state: 0, _buffers: 'bytes' } })).toBeUndefined()
    const renamed = (): Buffer | undefined => bufferedInput({ receiver: { _state: 0 } })
    expect(checkBufferedInput(systemRandomness, renamed)).toBe(false)
  })
})
