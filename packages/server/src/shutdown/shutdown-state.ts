/**
 * The states of a server and the events that change them, as a pure table. All other code asks this table.
 *
 *     starting ──▶ serving ──▶ draining ──▶ closing ──▶ closed
 *                     ▲           │
 *                     └───────────┘ cancelled
 */

export type ShutdownState = 'starting' | 'serving' | 'draining' | 'closing' | 'closed'

/**
 * `started`: the server listens. `shutdown`: a signal or a request. `hurry`: a second signal. `deadline`: time to close the
 * remaining connections.
 */
export type ShutdownEvent = 'started' | 'shutdown' | 'cancel' | 'hurry' | 'deadline' | 'everybodyGone'

const TABLE: Readonly<Record<ShutdownState, Readonly<Partial<Record<ShutdownEvent, ShutdownState>>>>> = {
  starting: { started: 'serving', shutdown: 'draining' },
  serving: { shutdown: 'draining' },
  draining: { cancel: 'serving', hurry: 'closing', deadline: 'closing', everybodyGone: 'closed' },
  closing: { everybodyGone: 'closed' },
  closed: {},
}

/** The state after this event; `undefined`: the event has no effect in this state. */
export const nextState = (state: ShutdownState, event: ShutdownEvent): ShutdownState | undefined => TABLE[state][event]

/** The state that `/ready` reports. */
export const isReady = (state: ShutdownState): boolean => state === 'serving'

export const isShuttingDown = (state: ShutdownState): boolean =>
  state === 'draining' || state === 'closing' || state === 'closed'
