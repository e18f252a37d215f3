/**
 * The simulated verification of tokens: it takes time, and now and then the keys cannot be fetched. A token is the name of its
 * client.
 */
import type { Random } from '#e2e/chaos/random.js'
import type { Clock } from '#server/clock.js'
import type { TokenVerifier } from '#server/sessions/token-verifier.js'

const LONGEST_MS = 50
const UNAVAILABLE = 0.05

export class TokenDesk {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  verifierFor(clock: Clock): TokenVerifier {
    return (token) =>
      new Promise((resolve) => {
        const isUnavailable = this.#random.chance(UNAVAILABLE)
        clock.after(this.#random.next() * LONGEST_MS, () =>
          resolve(isUnavailable ? 'unavailable' : { subject: token, expiresAtMs: Infinity, channels: undefined }),
        )
      })
  }
}
