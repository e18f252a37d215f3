/**
 * The states of a server and what moves it from one to the next, as a pure table. Everything else asks it.
 *
 *     starting ──▶ serving ──▶ draining ──▶ closing ──▶ closed
 *                     ▲           │
 *                     └───────────┘ cancelled
 */

export type ShutdownState = 'starting' | 'serving' | 'draining' | 'closing' | 'closed'

/** `started`: it listens. `shutdown`: a signal or a request. `hurry`: a second signal. `deadline`: time to close the remaining
 * connections. */
export type ShutdownEvent = 'started' | 'shutdown' | 'cancel' | 'hurry' | 'deadline' | 'everybodyGone'

const TABLE: Readonly<Record<ShutdownState, Readonly<Partial<Record<ShutdownEvent, ShutdownState>>>>> = {
  starting: { started: 'serving', shutdown: 'draining' },
  serving: { shutdown: 'draining' },
  draining: { cancel: 'serving', hurry: 'closing', deadline: 'closing', everybodyGone: 'closed' },
  closing: { everybodyGone: 'closed' },
  closed: {},
}

/** The state after this event; `undefined`: the event means nothing in this state. */
export const nextState = (state: ShutdownState, event: ShutdownEvent): ShutdownState | undefined => TABLE[state][event]

/** What `/ready` says. */
export const isReady = (state: ShutdownState): boolean => state === 'serving'

export const isShuttingDown = (state: ShutdownState): boolean =>
  state === 'draining' || state === 'closing' || state === 'closed'
