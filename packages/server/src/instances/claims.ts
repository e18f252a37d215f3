/**
 * Which instance holds which clientId. The state follows from the `claim` and `roster` entries, applied in the
 * journal's order (docs/adr/0016). Pure: it knows no time, no journal and no connection.
 */
import type { Claim, Release } from '../journal/journal.js'
import type { Pieces } from '../pieces.js'
import { SetDigest } from '../set-digest.js'

/** A claim, and the instance that made it. */
export interface Holder extends Claim {
  readonly node: string
}

/** The result of a claim. */
export type ClaimOutcome =
  /** The clientId was free, or the same instance held it. */
  | { readonly kind: 'held' }
  /** The claim holds, and replaces the claim of another instance for the same client. */
  | { readonly kind: 'superseded'; readonly loser: Holder }
  /**
   * Another instance has the same client, and its claim was made later, or was made at the same time and applied
   * earlier.
   */
  | { readonly kind: 'outdated'; readonly holder: Holder }
  /** The clientId belongs to another client, and the claim does not prove that it is the same one. */
  | { readonly kind: 'void'; readonly holder: Holder }

interface Declared {
  readonly claims: Map<string, Claim>
  readonly digest: SetDigest
}

/** The number of claims in one piece of a long change. */
const CLAIMS_A_PIECE = 250

export class Claims {
  readonly #declared = new Map<string, Declared>()
  #holders = new Map<string, Holder>()
  /** The number of clientIds that each instance holds. */
  readonly #heldBy = new Map<string, number>()

  holderOf(clientId: string): Holder | undefined {
    return this.#holders.get(clientId)
  }

  /** The number of clients that instances other than this one hold. */
  countElsewhere(node: string): number {
    return this.#holders.size - (this.#heldBy.get(node) ?? 0)
  }

  /**
   * Applies a claim. Of two claims for the same client, the claim whose instance had read more of the journal holds. If
   * both had read equally far, the claim that stands later in the journal holds.
   */
  claim(node: string, claim: Claim): ClaimOutcome {
    return this.#apply(node, claim, (holder) => claim.admittedAt >= holder.admittedAt)
  }

  /**
   * Applies a release: the connection of the claim has ended. If a later claim has replaced that claim, the later one
   * stays.
   */
  release(node: string, { clientId, connectionId }: Release): void {
    const declared = this.#declared.get(node)
    if (declared?.claims.get(clientId)?.connectionId !== connectionId) return
    this.#withdraw(declared, clientId)
    const holder = this.#holders.get(clientId)
    if (holder?.node === node && holder.connectionId === connectionId) this.#free(clientId)
  }

  /**
   * Replaces all claims of one instance, which may have many thousands, in pieces of CLAIMS_A_PIECE. The claims are older
   * than this entry, so the present holder stays if both had read equally far.
   *
   * @param onOutcome Called with the outcome of each claim.
   */
  *replace(
    node: string,
    claims: readonly Claim[],
    onOutcome: (claim: Claim, outcome: ClaimOutcome) => void,
  ): Pieces<void> {
    const given = new Map(claims.map((claim) => [claim.clientId, claim]))
    const before = this.#declared.get(node)
    let count = 0
    for (const { clientId, connectionId } of [...(before?.claims.values() ?? [])]) {
      if (++count % CLAIMS_A_PIECE === 0) yield
      if (given.get(clientId)?.connectionId !== connectionId) this.release(node, { clientId, connectionId })
    }
    for (const claim of given.values()) {
      if (++count % CLAIMS_A_PIECE === 0) yield
      onOutcome(
        claim,
        this.#apply(node, claim, (holder) => claim.admittedAt > holder.admittedAt),
      )
    }
  }

  /** Removes all claims of an instance that is gone. */
  drop(node: string): void {
    const declared = this.#declared.get(node)
    if (!declared) return
    for (const clientId of declared.claims.keys()) {
      if (this.#holders.get(clientId)?.node === node) this.#free(clientId)
    }
    this.#declared.delete(node)
  }

  /** Forgets everything, because the journal was replaced. Returns the holders until now. */
  clear(): ReadonlyMap<string, Holder> {
    const holders = this.#holders
    this.#declared.clear()
    this.#holders = new Map()
    this.#heldBy.clear()
    return holders
  }

  /** A hash of all claims that this instance has made and not released. */
  digestOf(node: string): string {
    return (this.#declared.get(node)?.digest ?? new SetDigest()).text
  }

  #apply(node: string, claim: Claim, isLaterThan: (holder: Holder) => boolean): ClaimOutcome {
    this.#declare(node, claim)
    const holder = this.#holders.get(claim.clientId)
    if (holder && holder.node !== node) {
      if (!isSameClient(claim, holder)) return { kind: 'void', holder }
      if (!isLaterThan(holder)) return { kind: 'outdated', holder }
    }
    this.#hold({ ...claim, node })
    return holder && holder.node !== node ? { kind: 'superseded', loser: holder } : { kind: 'held' }
  }

  #hold(holder: Holder): void {
    this.#free(holder.clientId)
    this.#holders.set(holder.clientId, holder)
    this.#heldBy.set(holder.node, (this.#heldBy.get(holder.node) ?? 0) + 1)
  }

  #free(clientId: string): void {
    const holder = this.#holders.get(clientId)
    if (!holder) return
    this.#holders.delete(clientId)
    const count = (this.#heldBy.get(holder.node) ?? 0) - 1
    if (count > 0) this.#heldBy.set(holder.node, count)
    else this.#heldBy.delete(holder.node)
  }

  #declare(node: string, claim: Claim): void {
    let declared = this.#declared.get(node)
    if (!declared) this.#declared.set(node, (declared = { claims: new Map(), digest: new SetDigest() }))
    this.#withdraw(declared, claim.clientId)
    declared.claims.set(claim.clientId, claim)
    declared.digest.toggle(elementOf(claim))
  }

  #withdraw(declared: Declared, clientId: string): void {
    const claim = declared.claims.get(clientId)
    if (!claim) return
    declared.claims.delete(clientId)
    declared.digest.toggle(elementOf(claim))
  }
}

const elementOf = ({ clientId, connectionId }: Release): string => `${clientId}\n${connectionId}`

/**
 * Whether a claim proves that it is for the same client as another one: by a token for the clientId, or by the same
 * session.
 */
const isSameClient = (claim: Pick<Claim, 'hasToken' | 'sessionHash'>, holder: Pick<Claim, 'sessionHash'>): boolean =>
  claim.hasToken || claim.sessionHash === holder.sessionHash
