/**
 * Appends the claims and releases of this instance to the journal: all of one turn of the event loop in one entry. Where
 * no other instance would read them, nothing is appended; the roster contains them later.
 */
import type { Claim, Release } from '../journal/journal.js'
import { claimFor, type ClaimedClient } from './claimed-client.js'

export interface ClaimAnnouncerOptions {
  /** Whether another instance reads what this one announces. */
  readonly isRead: () => boolean
  readonly publish: (claims: readonly Claim[], releases: readonly Release[]) => void
  /** Calls back after the current turn of the event loop. */
  readonly soon: (callback: () => void) => void
}

/** The claims of one entry: some 200 bytes each. */
const MAX_PER_ENTRY = 500

export class ClaimAnnouncer {
  readonly #options: ClaimAnnouncerOptions
  #claims: Claim[] = []
  #releases: Release[] = []

  constructor(options: ClaimAnnouncerOptions) {
    this.#options = options
  }

  claim(client: ClaimedClient): void {
    if (!this.#options.isRead()) return
    this.#schedule()
    this.#claims.push(claimFor(client))
  }

  release(release: Release): void {
    if (!this.#options.isRead()) return
    this.#schedule()
    this.#releases.push(release)
  }

  /** Forgets what was gathered: a roster that is appended now contains it. */
  discard(): void {
    this.#claims = []
    this.#releases = []
  }

  flush(): void {
    const { publish } = this.#options
    const [claims, releases] = [this.#claims, this.#releases]
    this.discard()
    // All claims first: a release may be for a claim of the same turn.
    for (const some of slices(claims)) publish(some, [])
    for (const some of slices(releases)) publish([], some)
  }

  #schedule(): void {
    if (this.#claims.length + this.#releases.length === 0) this.#options.soon(() => this.flush())
  }
}

function slices<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / MAX_PER_ENTRY)
  return Array.from({ length: count }, (_, index) => items.slice(index * MAX_PER_ENTRY, (index + 1) * MAX_PER_ENTRY))
}
