/** The log lines of a shutdown: they count a connection once, and announce a second signal. */
import { expect, test } from 'vitest'
import { connectionsLeft } from '../../src/shutdown/drain-progress.js'
import { secondSignalHint } from '../../src/shutdown/signal-escalation.js'

test.each([
  [0, '0 connections are left'],
  [1, '1 connection is left'],
  [2, '2 connections are left'],
  [21, '21 connections are left'],
])('%i: %s', (count, line) => {
  expect(connectionsLeft(count)).toBe(line)
})

test('the first signal tells what a second one does', () => {
  expect(secondSignalHint('SIGINT')).toBe('; press Ctrl-C again to end the waiting and close all connections')
  expect(secondSignalHint('SIGTERM')).toBe('; send SIGTERM again to end the waiting and close all connections')
})

test('a shutdown that no signal started tells nothing of signals', () => {
  for (const why of ['api', 'close', 'reload']) expect(secondSignalHint(why)).toBe('')
})
