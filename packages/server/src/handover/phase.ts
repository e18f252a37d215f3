/**
 * The states of a connection in the process that hands it over. Pure.
 *
 *     live ──▶ held ──▶ released ──▶ taken       another process serves it, or has closed it
 *       ▲        │          ├──────▶ takenBack   no process has read from it: this one serves it again
 *       └────────┘          └──────▶ lost        a process has ended that may have served it
 *
 * `held`: the server does not read from it, until nothing is due in either direction. `released`: the server does not use its
 * socket any more. From then on another process may write to it, so this one writes again only after `refused`.
 */

export type HandoverPhase = 'live' | 'held' | 'released' | 'taken' | 'takenBack' | 'lost'

/**
 * What became of a connection whose socket was sent to another process. `superseded`: its client has a newer connection, and
 * the other process has closed this one.
 */
export const OUTCOMES = ['taken', 'refused', 'superseded', 'lost'] as const

export type HandoverOutcome = (typeof OUTCOMES)[number]

/** What the process that receives a connection answers. */
export type HandoverVerdict = HandoverOutcome

export type HandoverEvent = 'hold' | 'resume' | 'release' | HandoverOutcome

const TRANSITIONS: Readonly<Record<HandoverPhase, Partial<Record<HandoverEvent, HandoverPhase>>>> = {
  live: { hold: 'held' },
  held: { resume: 'live', release: 'released' },
  released: { taken: 'taken', superseded: 'taken', refused: 'takenBack', lost: 'lost' },
  taken: {},
  takenBack: {},
  lost: {},
}

/** The phase after an event; `undefined`: the event cannot occur in this phase. */
export const nextPhase = (phase: HandoverPhase, event: HandoverEvent): HandoverPhase | undefined =>
  TRANSITIONS[phase][event]

/** Whether this process may write to the socket of a connection in this phase. */
export const mayWrite = (phase: HandoverPhase): boolean => phase === 'live' || phase === 'held' || phase === 'takenBack'
