/**
 * The `shutdown` message of one phase, for each connection. The texts are encoded once per phase and language.
 */
import { TEXTS, type ShutdownMessage, type ShutdownPhase } from '@lastcall/protocol'
import type { Connection } from '../connections/connection.js'

export interface PhaseFacts {
  /** By the monotonic clock. */
  readonly nowMs: number
  /** Milliseconds until the forced closes. */
  readonly deadlineInMs: number
  /** How many connections are left. */
  readonly remaining: number
  /** Milliseconds after the close at which the client should return; `undefined`: its own backoff decides. */
  readonly returnInMs?: number | undefined
}

export function shutdownMessages(
  phase: ShutdownPhase,
  { nowMs, remaining, returnInMs, ...facts }: PhaseFacts,
): (connection: Connection) => ShutdownMessage {
  const isClosing = phase === 'closing'
  const deadlineInMs = isClosing ? 0 : facts.deadlineInMs
  const texts = { uk: TEXTS.uk.shutdown(phase, deadlineInMs), en: TEXTS.en.shutdown(phase, deadlineInMs) }
  return ({ leaveAtMs, locale }) => ({
    type: 'shutdown',
    phase,
    deadlineInMs,
    leaveInMs: isClosing ? 0 : leaveAtMs === undefined ? null : Math.max(0, Math.round(leaveAtMs - nowMs)),
    ...(returnInMs !== undefined && { returnInMs }),
    remaining,
    text: texts[locale],
  })
}
