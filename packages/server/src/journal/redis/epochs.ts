/**
 * The epochs of a Redis journal: decimal numbers of up to 64 bits that are the first part of stream ids. A newer epoch
 * is a greater number, whatever the clocks say, because Redis accepts only growing ids.
 */

/** The low bits are random, so that two journals that begin in the same millisecond have different epochs. */
export const EPOCHS_PER_MS = 2 ** 20
const RANDOM_BITS = 20n
/** It is smaller than any epoch, and greater than the milliseconds in the ids of a stream of another program. */
const SMALLEST = 1n << 52n

export const isEpoch = (text: string): boolean => BigInt(text) >= SMALLEST

/** Negative: `a` is older. 0: they are equal. Positive: `a` is newer. */
export function compareEpochs(a: string, b: string): number {
  if (a === b) return 0
  return BigInt(a) < BigInt(b) ? -1 : 1
}

/** The newest epoch that this process has seen. */
export class Epochs {
  readonly #now: () => number
  readonly #random: () => number
  #newest = 0n

  /**
   * @param now Returns milliseconds since 1970.
   * @param random Returns an integer from 0 to 2^20 - 1.
   */
  constructor(now: () => number, random: () => number) {
    this.#now = now
    this.#random = random
  }

  saw(epoch: string): void {
    const seen = BigInt(epoch)
    if (seen > this.#newest) this.#newest = seen
  }

  /** A new epoch that is newer than any that this process has seen. */
  next(): string {
    const fresh = (BigInt(Math.floor(this.#now())) << RANDOM_BITS) | BigInt(this.#random())
    this.#newest = fresh > this.#newest ? fresh : this.#newest + 1n
    return this.#newest.toString()
  }
}
