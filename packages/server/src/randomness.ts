/**
 * Randomness as a parameter, so that a simulation repeats a run. No other module calls the random generators of Node, except for
 * those that the lint configuration lists.
 */
import { randomBytes, randomUUID } from 'node:crypto'

export interface Randomness {
  /** A number from 0 to 1, without 1: for jitter. It may be predictable. */
  readonly fraction: () => number
  /** Bytes that nobody can predict: for secrets and names. */
  readonly bytes: (count: number) => Buffer
  /** A UUID of version 4 (RFC 9562). */
  readonly uuid: () => string
}

export const systemRandomness: Randomness = {
  fraction: () => Math.random(),
  bytes: (count) => randomBytes(count),
  uuid: () => randomUUID(),
}
