/**
 * Appends the claims and releases of this instance to the journal. One entry contains those of one turn of the event
 * loop. If no other instance reads the journal, nothing is appended; a later roster contains them.
 */
import type { Clock } from '../clock.js'
import type { Claim, Release } from '../journal/journal.js'
import { claimFor, type ClaimedClient } from './claimed-client.js'

export interface ClaimAnnouncerOptions {
  /** Whether another instance reads the announcements of this one. */
  readonly isRead: () => boolean
  readonly publish: (claims: readonly Claim[], releases: readonly Release[]) => void
  readonly clock: Pick<Clock, 'soon'>
}

/** The number of claims per entry. Each takes about 200 bytes. */
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

  /** Forgets the gathered claims and releases, because a roster that is appended now contains their result. */
  discard(): void {
    this.#claims = []
    this.#releases = []
  }

  flush(): void {
    const { publish } = this.#options
    const [claims, releases] = [this.#claims, this.#releases]
    this.discard()
    // The claims precede the releases, because a release may be for a claim of the same turn.
    for (const some of slices(claims)) publish(some, [])
    for (const some of slices(releases)) publish([], some)
  }

  #schedule(): void {
    if (this.#claims.length + this.#releases.length === 0) this.#options.clock.soon(() => this.flush())
  }
}

function slices<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / MAX_PER_ENTRY)
  return Array.from({ length: count }, (_, index) => items.slice(index * MAX_PER_ENTRY, (index + 1) * MAX_PER_ENTRY))
}
