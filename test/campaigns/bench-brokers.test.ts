/**
 * A short run of the measurements over one journal, for their checks: the servers deliver each message once and in order to
 * every subscriber. The figures of such a short run have no meaning.
 */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../../scripts/repository.js'
import { runScript } from './run-script.js'

const PROGRAM = join(ROOT, 'dist/bench/brokers.js')
const SHORT = ['--journal', 'file', '--seconds', '1', '--warm-up', '300', '--publishers', '2']

test.each(['latency', 'throughput', 'idle'])(
  'the measurement of %s ends and receives each message once and in order',
  async (name) => {
    const { code, out } = await runScript(PROGRAM, ...SHORT, '--only', name)
    expect(code, out).toBe(0)
    if (name === 'latency') expect(out).toContain('message through lastcall')
    else expect(out).toMatch(/^reached: each message once and in order: faults \(0\)$/m)
  },
  300_000,
)
