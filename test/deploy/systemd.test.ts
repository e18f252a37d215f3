/**
 * deploy/systemd: systemd accepts the units, and their settings agree with the server's needs.
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
  // systemd-analyze also checks the units of this machine, and looks for a Node in /usr/bin.
  const ofOurs = (line: string): boolean => line.includes('lastcall') && !line.includes('is not executable')
  expect((stdout + stderr).split('\n').filter(ofOurs)).toEqual([])
})

describe('the service', () => {
  test('may report its state from any of its processes', () => {
    expect(wordAfter(UNIT, 'Type=')).toBe('notify')
    expect(wordAfter(UNIT, 'NotifyAccess=')).toBe('all')
  })

  test('has a stop timeout longer than the server’s interval of reports, and a watchdog that costs little', () => {
    expect(seconds(wordAfter(UNIT, 'TimeoutStopSec='))).toBeGreaterThanOrEqual(60)
    expect(seconds(wordAfter(UNIT, 'WatchdogSec='))).toBeGreaterThanOrEqual(10)
  })

  test('may have as many file descriptors as its clients need', () => {
    expect(Number(wordAfter(UNIT, 'LimitNOFILE='))).toBeGreaterThan(DEFAULTS.maxConnections)
  })

  test('writes its journal to its state directory', () => {
    expect(wordAfter(UNIT, 'Environment=JOURNAL_URL=')).toBe(
      `file:/var/lib/${wordAfter(UNIT, 'StateDirectory=')}/journal`,
    )
  })

  test('may compile code: the unit forbids neither executable memory nor memory protection keys', () => {
    expect(UNIT).not.toMatch(/^MemoryDenyWriteExecute=/m)
    expect(UNIT).toMatch(/^SystemCallFilter=.*@pkey/m)
  })
})

test('the unit sets only variables of the server', () => {
  const inUnit = [...UNIT.matchAll(/^Environment=(\w+)=/gm)].map(([, name = '']) => name)
  const inFile = [...read('systemd/lastcall.env').matchAll(/^(?:# )?([A-Z][A-Z_]+)=/gm)].map(([, name = '']) => name)
  expect(inUnit).toContain('ENV_FILE')
  expect(inFile).toContain('SHUTDOWN_TIMEOUT')
  expect(unknownVariables([...inUnit, ...inFile])).toEqual([])
})
