/** The phases of a connection that is handed over. */
import { describe, expect, test } from 'vitest'
import { mayWrite, nextPhase, OUTCOMES, type HandoverEvent, type HandoverPhase } from '../../src/handover/phase.js'

const after = (...events: readonly HandoverEvent[]): HandoverPhase | undefined =>
  events.reduce<HandoverPhase | undefined>((phase, event) => phase && nextPhase(phase, event), 'live')

describe('a connection that is handed over', () => {
  test('is taken, taken back or lost by its outcome', () => {
    expect(after('hold', 'release', 'taken')).toBe('taken')
    expect(after('hold', 'release', 'superseded')).toBe('taken')
    expect(after('hold', 'release', 'refused')).toBe('takenBack')
    expect(after('hold', 'release', 'lost')).toBe('lost')
  })

  test('lives on when something is due for too long', () => {
    expect(after('hold', 'resume')).toBe('live')
    expect(after('hold', 'resume', 'hold', 'release')).toBe('released')
  })

  test('has one outcome, and none before its release', () => {
    for (const outcome of OUTCOMES) {
      expect(after(outcome)).toBeUndefined()
      expect(after('hold', outcome)).toBeUndefined()
      for (const second of OUTCOMES) expect(after('hold', 'release', outcome, second)).toBeUndefined()
    }
    expect(after('hold', 'release', 'resume')).toBeUndefined()
  })

  test('is written to after its release only if it was refused', () => {
    const outcomes = OUTCOMES.filter((outcome) => mayWrite(after('hold', 'release', outcome) ?? 'released'))
    expect(outcomes).toEqual(['refused'])
    expect(mayWrite('released')).toBe(false)
  })
})
