/** `lastcall/testing` outside of this project: another test framework, and the error for a place that lacks a fault. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import * as nodeTest from 'node:test'
import { describe, expect, it } from 'vitest'
import type { TestFramework } from '../../src/testing/index.js'

const suite = join(import.meta.dirname, 'fixtures', 'memory-suite.mjs')

async function run(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [suite, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code: child.exitCode, output }
}

describe('the contract suite', () => {
  it('runs with the functions of node:test', async () => {
    const framework: TestFramework = nodeTest
    expect(framework).toBe(nodeTest)
    const { code, output } = await run()
    expect(output).toContain('the journal retains the newest entries up to maxEntries')
    expect(output).not.toMatch(/^ *not ok/m)
    expect(code).toBe(0)
  })

  it('fails when a place neither offers a fault nor declares it impossible', async () => {
    const { code, output } = await run('--undeclared')
    expect(output).toContain('the place lacks rollOver in `faults`; name a fault that cannot happen in `impossible`')
    expect(code).toBe(1)
  })
})
