/**
 * The names of the clients that were connected to any instance when the journal was replaced. All claims of the old
 * epoch are void, and each client is without a connection until it has reconnected. Its name is reserved meanwhile, so
 * that no other client takes it (docs/adr/0019). Each instance uses what it knew and appends nothing to the journal for
 * this.
 */
import { MAX_CLOSES_PER_SECOND } from '../connections/close-pace.js'
import type { Clock } from '../clock.js'
import type { Claim } from '../journal/journal.js'
import { hashOfSession, type ClaimedClient } from './claimed-client.js'
import type { Holder } from './claims.js'

/** The clients of the epoch that has ended, by clientId. */
export interface FormerClients {
  /** The clients that were connected to this instance. */
  readonly here: ReadonlyMap<string, Pick<ClaimedClient, 'session'>>
  /** The holders on all instances, by the journal. Empty if this instance was alone. */
  readonly holders: ReadonlyMap<string, Pick<Holder, 'node' | 'sessionHash'>>
}

/** A client that proves this session is the client for which the name is reserved. */
export type Reservation = Pick<Claim, 'sessionHash'>

export interface ReservedNamesOptions {
  /** The id of this instance. */
  readonly node: string
  readonly clock: Pick<Clock, 'after'>
}

/**
 * How long a name stays reserved after the last close is due, in milliseconds. A client reconnects within a second of
 * its close, and instances learn of the new epoch up to a few seconds apart.
 */
const RETURN_MS = 10_000

/**
 * The factor by which the paced closes may take longer than planned. A tick that is more than 100 ms late does not close
 * all that are due, so a very busy machine needs more time.
 */
const CLOSING_ALLOWANCE = 3

/**
 * The number of epochs whose names are reserved. The journal may be replaced again before all clients have reconnected.
 */
const MAX_EPOCHS = 8

interface Epoch extends FormerClients {
  /** The clients that have reconnected in a later epoch. */
  readonly returned: Set<string>
}

export class ReservedNames {
  readonly #options: ReservedNamesOptions
  /** The oldest epoch is first. */
  #epochs: readonly Epoch[] = []

  constructor(options: ReservedNamesOptions) {
    this.#options = options
  }

  /** Reserves the names of all clients of the epoch that has just ended. */
  reserve({ here, holders }: FormerClients): void {
    const epoch: Epoch = { here, holders, returned: new Set() }
    this.#epochs = [...this.#epochs, epoch].slice(-MAX_EPOCHS)
    // No instance has more connections to close than this number.
    const connections = Math.max(here.size, holders.size)
    const lastCloseMs = (connections / MAX_CLOSES_PER_SECOND) * 1000 * CLOSING_ALLOWANCE
    this.#options.clock.after(lastCloseMs + RETURN_MS, () => {
      this.#epochs = this.#epochs.filter((other) => other !== epoch)
    })
  }

  /** `undefined`: no client is expected to reconnect under this name. */
  reservationOf(clientId: string): Reservation | undefined {
    for (const { here, holders, returned } of this.#epochs.toReversed()) {
      if (returned.has(clientId)) return undefined
      const client = here.get(clientId)
      if (client) return { sessionHash: hashOfSession(client.session) }
      const holder = holders.get(clientId)
      // A claim of this instance without a connection here belongs to a client that was leaving and will not reconnect.
      if (holder && holder.node !== this.#options.node) return holder
    }
    return undefined
  }

  /**
   * An instance has admitted a client under this name, and its claim in the new epoch protects the name from now on.
   */
  returned(clientId: string): void {
    if (this.reservationOf(clientId)) this.#epochs.at(-1)?.returned.add(clientId)
  }
}
