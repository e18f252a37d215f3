/**
 * A tail that writes down what it is told, and fails at once when the journal breaks its contract.
 */
import type { Entry, Journal, JournalListener, NewEntry, Tail } from '../../src/journal/journal.js'

export class Recorder implements JournalListener {
  readonly entries: Entry[] = []
  readonly epochs: { readonly epoch: string; readonly nextOffset: number }[] = []
  readonly availability: { readonly available: boolean; readonly error: unknown }[] = []
  #nextOffset: number | undefined
  #waiting: (() => void)[] = []
  tail: Tail | undefined

  onEpoch(epoch: string, nextOffset: number): void {
    this.epochs.push({ epoch, nextOffset })
    this.#nextOffset = nextOffset
    this.#notify()
  }

  onBatch(entries: readonly Entry[]): void {
    if (entries.length === 0) throw new Error('an empty batch')
    for (const { offset } of entries) {
      if (offset !== this.#nextOffset) throw new Error(`offset ${offset} came where ${this.#nextOffset} was due`)
      this.#nextOffset++
    }
    this.entries.push(...entries)
    this.#notify()
  }

  onAvailability(available: boolean, error?: unknown): void {
    this.availability.push({ available, error })
    this.#notify()
  }

  get offsets(): number[] {
    return this.entries.map(({ offset }) => offset)
  }

  /** Who wrote the entries, and their numbers there: `node:sequence`. */
  get origins(): string[] {
    return this.entries.map(({ node, sequence }) => `${node}:${sequence}`)
  }

  get lastOffset(): number {
    return (this.#nextOffset ?? 1) - 1
  }

  /** Resolves as soon as it holds. */
  async until(isReached: (recorder: this) => boolean): Promise<void> {
    while (!isReached(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

export async function record(journal: Journal): Promise<Recorder> {
  const recorder = new Recorder()
  recorder.tail = await journal.tail(recorder)
  return recorder
}

let sequence = 0

export const message = (data: unknown, more: Partial<Extract<NewEntry, { kind: 'message' }>> = {}): NewEntry => ({
  kind: 'message',
  channel: 'lobby',
  from: 'anna',
  data: JSON.stringify(data),
  at: Date.now(),
  node: 'node-1',
  sequence: ++sequence,
  ...more,
})

export const messages = (count: number, data: unknown = 'x'): NewEntry[] =>
  Array.from({ length: count }, () => message(data))
