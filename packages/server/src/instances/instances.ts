/**
 * Which instances share the journal, as they say of themselves in it: which build each one is, and whether it welcomes
 * newcomers. What follows from that is decided by those who ask.
 */
import type { Clock } from '../clock.js'
import type { Entry, InstanceState } from '../journal/journal.js'

export interface InstancesOptions {
  /** This instance's id. */
  readonly node: string
  readonly clock: Pick<Clock, 'now'>
}

interface Instance {
  readonly build: string
  readonly state: InstanceState
  /** By the writer's clock, but never in the future: clocks may differ a little. */
  readonly heardAtMs: number
}

/** Three announcements missed: an instance killed with -9 never says that it is gone. */
export const MAX_SILENCE_MS = 30_000

export class Instances {
  readonly #options: InstancesOptions
  readonly #others = new Map<string, Instance>()
  #own: InstanceState | undefined

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /** Takes an announcement, in the journal's order. */
  heard({ node, build, state, at }: Extract<Entry, { kind: 'instance' }>): void {
    if (node === this.#options.node) this.#own = state
    else if (state === 'gone') this.#others.delete(node)
    else this.#others.set(node, { build, state, heardAtMs: Math.min(at, this.#options.clock.now()) })
    this.#forgetSilent()
  }

  /** The journal is another one: whoever reads that, too, will say so. */
  forget(): void {
    this.#others.clear()
    this.#own = undefined
  }

  /**
   * Whether this instance's shutdown has begun, by the journal: what others write for a draining instance stands behind
   * its announcement.
   */
  get isDraining(): boolean {
    return this.#own === 'draining'
  }

  get isAnotherReady(): boolean {
    return this.#hasOther(({ state }) => state === 'ready')
  }

  get isAnotherDraining(): boolean {
    return this.#hasOther(({ state }) => state === 'draining')
  }

  /** Whether an instance of any other build is ready. */
  isReadyBeside(build: string): boolean {
    return this.#hasOther((other) => other.state === 'ready' && other.build !== build)
  }

  /** How many are in this state, this one included. */
  count(state: InstanceState): number {
    this.#forgetSilent()
    let count = Number(this.#own === state)
    for (const other of this.#others.values()) if (other.state === state) count++
    return count
  }

  #hasOther(fits: (instance: Instance) => boolean): boolean {
    this.#forgetSilent()
    for (const other of this.#others.values()) if (fits(other)) return true
    return false
  }

  #forgetSilent(): void {
    const oldest = this.#options.clock.now() - MAX_SILENCE_MS
    for (const [node, { heardAtMs }] of this.#others) if (heardAtMs < oldest) this.#others.delete(node)
  }
}
