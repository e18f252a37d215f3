/**
 * Epochs of a Redis journal: decimal numbers of up to 64 bits that are the first part of stream ids. A newer epoch is a
 * greater number, whatever the clocks say, because Redis takes only growing ids.
 */

/** The low bits are random: two journals that begin in the same millisecond have different epochs. */
export const EPOCHS_PER_MS = 2 ** 20
const RANDOM_BITS = 20n
/** Smaller than any epoch, and greater than the milliseconds in the ids of a stream that something else has made. */
const SMALLEST = 1n << 52n

export const isEpoch = (text: string): boolean => BigInt(text) >= SMALLEST

/** Negative: `a` is older; 0: the same; positive: `a` is newer. */
export function compareEpochs(a: string, b: string): number {
  if (a === b) return 0
  return BigInt(a) < BigInt(b) ? -1 : 1
}

/** What this process knows of epochs: the newest one it has seen. */
export class Epochs {
  readonly #now: () => number
  readonly #random: () => number
  #newest = 0n

  /**
   * @param now milliseconds since 1970.
   * @param random a whole number from 0 to 2^20 - 1.
   */
  constructor(now: () => number, random: () => number) {
    this.#now = now
    this.#random = random
  }

  saw(epoch: string): void {
    const seen = BigInt(epoch)
    if (seen > this.#newest) this.#newest = seen
  }

  /** A new epoch, newer than any that was seen. */
  next(): string {
    const fresh = (BigInt(Math.floor(this.#now())) << RANDOM_BITS) | BigInt(this.#random())
    this.#newest = fresh > this.#newest ? fresh : this.#newest + 1n
    return this.#newest.toString()
  }
}
