/**
 * A hash of a set that does not depend on the order of its changes; adding or removing an element takes constant time.
 * Two honest instances compare their states with it. It gives no protection against a client that constructs a
 * collision.
 */

const FNV_PRIME = 0x01000193

export class SetDigest {
  #low = 0
  #high = 0

  /** Adds the element, or removes it if it was added before. */
  toggle(element: string): void {
    let low = 0x811c9dc5
    let high = 0x2f0b4c47
    for (let index = 0; index < element.length; index++) {
      const code = element.charCodeAt(index)
      low = Math.imul(low ^ code, FNV_PRIME)
      high = Math.imul(high ^ code, 0x5bd1e995)
    }
    this.#low ^= low
    this.#high ^= high ^ (high >>> 15)
  }

  /** Sixteen hexadecimal digits. Equal sets have equal texts; different sets almost never do. */
  get text(): string {
    return hex(this.#low) + hex(this.#high)
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
