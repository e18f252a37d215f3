/**
 * Attacks on the real command, for a second each: no honest client loses its connection or a message, and the server stops
 * properly afterwards. `npm run attack` runs them in full size and measures times.
 */
import { expect, test } from 'vitest'
import { runScript } from './run-script.js'

const SHORT = ['--seconds', '1', '--attackers', '5', '--crowd', '10']

test.each(['flood', 'fragments', 'channels', 'resume', 'keep-alive'])(
  'the attack "%s" costs no honest client its connection or a message',
  async (name) => {
    const { code, out } = await runScript('attack.mjs', name, ...SHORT)
    expect(code, out).toBe(0)
    expect(out).toMatch(/^no honest client lost a connection or a message$/m)
    expect(out).toMatch(/^the attackers: /m)
  },
  120_000,
)

test('the script answers an unknown attack with the list of attacks', async () => {
  const { code, out } = await runScript('attack.mjs', 'nothing')
  expect(code).toBe(2)
  expect(out).toContain('flood, wrong, empty, pings, fragments, channels, resume, presence, keep-alive, all')
})
