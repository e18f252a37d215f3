import type { HistoryFile } from './history.mjs'

export interface Violation {
  readonly kind: string
  readonly text: string
  /** Of the event that showed it. */
  readonly index?: number
}

export function check(history: HistoryFile): Violation[]
