/**
 * Attacks on the real command, for a second each: no honest client loses its connection or a message, and the server stops
 * properly afterwards. In full size, with times: npm run attack.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SHORT = ['--seconds', '1', '--attackers', '5', '--crowd', '10']

const attack = (name: string): Promise<{ code: unknown; out: string }> =>
  new Promise((resolve) => {
    const file = fileURLToPath(new URL('../../e2e/attack.mjs', import.meta.url))
    execFile(process.execPath, [file, name, ...SHORT], { maxBuffer: 2 ** 24 }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, out: out + err })
    })
  })

test.each(['flood', 'fragments', 'channels', 'resume', 'keep-alive'])(
  'the attack "%s" costs no honest client its connection or a message',
  async (name) => {
    const { code, out } = await attack(name)
    expect(code, out).toBe(0)
    expect(out).toMatch(/^no honest client lost a connection or a message$/m)
    expect(out).toMatch(/^the attackers: /m)
  },
  120_000,
)

test('an attack that does not exist is answered with the list of those that do', async () => {
  const { code, out } = await attack('nothing')
  expect(code).toBe(2)
  expect(out).toContain('flood, wrong, empty, pings, fragments, channels, resume, presence, keep-alive, all')
})
