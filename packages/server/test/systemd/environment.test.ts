/** The variables that systemd passes in the environment, and the process for which they are meant. */
import { describe, expect, test } from 'vitest'
import { takeFromEnvironment } from '../../src/config/load-config.js'
import { systemdEnvironment } from '../../src/systemd/environment.js'

const PID = 4711

test('without systemd there is nothing', () => {
  const nothing = { notifySocket: undefined, watchdogMs: undefined, listenFd: undefined, isService: false }
  expect(systemdEnvironment({}, PID)).toEqual(nothing)
  expect(systemdEnvironment({ NOTIFY_SOCKET: '', WATCHDOG_USEC: '', LISTEN_FDS: '' }, PID)).toEqual(nothing)
})

test('a process that systemd has started itself is a service; what that one has started is not', () => {
  expect(systemdEnvironment({ SYSTEMD_EXEC_PID: '4711' }, PID).isService).toBe(true)
  expect(systemdEnvironment({ SYSTEMD_EXEC_PID: '4710' }, PID).isService).toBe(false)
})

describe('the watchdog', () => {
  test.each([
    [{ WATCHDOG_USEC: '30000000' }, 30_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '4711' }, 30_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: 'often' }, undefined],
    [{ WATCHDOG_PID: '4711' }, undefined],
  ])('%j: %s ms', (env, watchdogMs) => {
    expect(systemdEnvironment(env, PID).watchdogMs).toBe(watchdogMs)
  })
})

describe('sockets', () => {
  test.each([
    [{ LISTEN_FDS: '1', LISTEN_PID: '4711' }, 3],
    [{ LISTEN_FDS: '0', LISTEN_PID: '4711' }, undefined],
    [{ LISTEN_FDS: '1', LISTEN_PID: '1' }, undefined],
    [{ LISTEN_FDS: '1' }, undefined],
  ])('%j: file descriptor %s', (env, listenFd) => {
    expect(systemdEnvironment(env, PID).listenFd).toBe(listenFd)
  })

  test.each(['2', '-1', '1.5', 'one'])('LISTEN_FDS=%s is refused', (count) => {
    expect(() => systemdEnvironment({ LISTEN_FDS: count, LISTEN_PID: '4711' }, PID)).toThrow(/LISTEN_FDS="/)
  })
})

test('child processes do not inherit the variables that were taken, and inherit all others', () => {
  const env: Record<string, string | undefined> = { LISTEN_FDS: '1', PATH: '/bin' }
  expect(takeFromEnvironment(['LISTEN_FDS', 'LISTEN_PID'], env)).toEqual({ LISTEN_FDS: '1' })
  expect(env).toEqual({ PATH: '/bin' })
  expect(takeFromEnvironment(['LISTEN_FDS'], env)).toEqual({})
})
