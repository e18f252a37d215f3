/** The effects of the first, the second and the third signal. */
import { expect, test } from 'vitest'
import { silentLogger } from '../../src/observability/log.js'
import { SignalEscalation } from '../../src/shutdown/signal-escalation.js'

function escalation() {
  const asked: string[] = []
  const signals = new SignalEscalation({
    begin: (signal) => asked.push(`begin ${signal}`),
    hurry: () => asked.push('hurry'),
    endNow: () => asked.push('end'),
    log: silentLogger,
  })
  return { signals, asked }
}

test('the first signal begins a shutdown, the second ends the waiting, each further one ends the process', () => {
  const { signals, asked } = escalation()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT', 'SIGTERM'] as const) signals.handle(signal)
  expect(asked).toEqual(['begin SIGINT', 'hurry', 'end', 'end'])
})

test('after a cancelled shutdown, the next signal is a first one', () => {
  const { signals, asked } = escalation()
  signals.handle('SIGTERM')
  signals.handle('SIGTERM')
  signals.reset()
  signals.handle('SIGINT')
  expect(asked).toEqual(['begin SIGTERM', 'hurry', 'begin SIGINT'])
})
