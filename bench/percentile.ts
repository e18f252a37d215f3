/** Percentiles of measured values. */

/**
 * The value in the ascending order of all values below which this share of them lies.
 *
 * @param share From 0 to 1.
 * @returns NaN when there are no values.
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}
