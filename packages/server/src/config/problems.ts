/**
 * Problems of a configuration, as values that can be listed and printed.
 */
import { inspect } from 'node:util'
import type { Variable } from './schema.js'

export interface ConfigProblem {
  /** The name in the form of its source: `PORT`, `--port`, or `port` in the options of a library call. */
  readonly name: string
  /** The given value as text; secrets are hidden. */
  readonly given?: string
  /** The problem, or the allowed values. */
  readonly expected: string
}

/** One line: `PORT="http": must be a whole number from 0 to 65535`. */
export const formatProblem = ({ name, given, expected }: ConfigProblem): string =>
  `${name}${given === undefined ? '' : `=${given}`}: ${expected}`

const MAX_SHOWN_CHARACTERS = 100

/** A given value as text that may be shown. */
export function shown(variable: Variable, given: unknown): string {
  if (variable.kind.conceal) return variable.kind.conceal(String(given))
  const quoted = typeof given === 'string' ? JSON.stringify(given) : inspect(given, { depth: 1, breakLength: Infinity })
  return quoted.length > MAX_SHOWN_CHARACTERS ? `${quoted.slice(0, MAX_SHOWN_CHARACTERS)}…` : quoted
}

/** " Did you mean X?" when a candidate is near enough, else an empty text. */
export function didYouMean(word: string, candidates: readonly string[], show = (name: string): string => name): string {
  const nearest = nearestName(word, candidates, Math.max(2, Math.floor(word.length / 4)))
  return nearest === undefined ? '' : `. Did you mean ${show(nearest)}?`
}

/** The candidate with the smallest distance, if the distance is not above the limit. */
export function nearestName(word: string, candidates: readonly string[], maxDistance: number): string | undefined {
  let nearest: string | undefined
  let nearestDistance = maxDistance + 1
  for (const candidate of candidates) {
    // So many letters must be inserted or removed at least. The environment has dozens of names that are not ours.
    if (Math.abs(candidate.length - word.length) >= nearestDistance) continue
    const distance = editDistance(word, candidate)
    if (distance < nearestDistance) [nearest, nearestDistance] = [candidate, distance]
  }
  return nearest
}

/**
 * The distance of two words: the number of letters to insert, remove, replace, or swap with their neighbour (optimal string
 * alignment).
 */
function editDistance(from: string, to: string): number {
  let rowBefore: readonly number[] = []
  let row: readonly number[] = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const isSame = from[i - 1] === to[j - 1]
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      next.push(
        Math.min(
          (row[j - 1] ?? 0) + (isSame ? 0 : 1),
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          isSwapped ? (rowBefore[j - 2] ?? 0) + 1 : Infinity,
        ),
      )
    }
    rowBefore = row
    row = next
  }
  return row[to.length] ?? 0
}
