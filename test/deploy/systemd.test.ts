/**
 * deploy/systemd: valid by systemd's own word, and its settings against what the server needs.
 */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { find, lacks } from '../../packages/server/test/support/programs.js'
import { DEFAULTS, place, read, seconds, unknownVariables, wordAfter } from './settings.js'

const ANALYZE = find('systemd-analyze')
const UNIT = read('systemd/lastcall.service')

test.skipIf(lacks('Debian: systemd', ANALYZE))('systemd-analyze finds no mistake in the units', () => {
  const files = [place('systemd/lastcall.service'), place('systemd/lastcall.socket')]
  const { stdout, stderr } = spawnSync(ANALYZE, ['verify', ...files], { encoding: 'utf8' })
  // It looks at the units of this machine as well, and for a Node in /usr/bin.
  const ofOurs = (line: string): boolean => line.includes('lastcall') && !line.includes('is not executable')
  expect((stdout + stderr).split('\n').filter(ofOurs)).toEqual([])
})

describe('the service', () => {
  test('may tell how it is doing, by a process of its own', () => {
    expect(wordAfter(UNIT, 'Type=')).toBe('notify')
    expect(wordAfter(UNIT, 'NotifyAccess=')).toBe('all')
  })

  test('is waited for, silent, for longer than it takes to ask for more time, and watched no oftener than is cheap', () => {
    expect(seconds(wordAfter(UNIT, 'TimeoutStopSec='))).toBeGreaterThanOrEqual(60)
    expect(seconds(wordAfter(UNIT, 'WatchdogSec='))).toBeGreaterThanOrEqual(10)
  })

  test('may have as many clients as it takes', () => {
    expect(Number(wordAfter(UNIT, 'LimitNOFILE='))).toBeGreaterThan(DEFAULTS.maxConnections)
  })

  test('writes its journal where it may', () => {
    expect(wordAfter(UNIT, 'Environment=JOURNAL_URL=')).toBe(
      `file:/var/lib/${wordAfter(UNIT, 'StateDirectory=')}/journal`,
    )
  })

  test('may compile: no memory that is never writable and executable, and memory protection keys', () => {
    expect(UNIT).not.toMatch(/^MemoryDenyWriteExecute=/m)
    expect(UNIT).toMatch(/^SystemCallFilter=.*@pkey/m)
  })
})

test('the variables are those of the server', () => {
  const inUnit = [...UNIT.matchAll(/^Environment=(\w+)=/gm)].map(([, name = '']) => name)
  const inFile = [...read('systemd/lastcall.env').matchAll(/^(?:# )?([A-Z][A-Z_]+)=/gm)].map(([, name = '']) => name)
  expect(inUnit).toContain('ENV_FILE')
  expect(inFile).toContain('SHUTDOWN_TIMEOUT')
  expect(unknownVariables([...inUnit, ...inFile])).toEqual([])
})
