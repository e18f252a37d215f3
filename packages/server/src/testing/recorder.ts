/** A listener that records what a journal reports to it, and throws at once when the journal breaks its contract. */
import type { Entry, Journal, JournalListener, Tail } from '../journal/journal.js'

export class Recorder implements JournalListener {
  /** All entries of all epochs. */
  readonly entries: Entry[] = []
  readonly epochs: { readonly epoch: string; readonly nextOffset: number }[] = []
  readonly availability: { readonly available: boolean; readonly error: unknown }[] = []
  #nextOffset: number | undefined
  #epochBegin = 0
  #waiting: (() => void)[] = []
  tail: Tail | undefined

  onEpoch(epoch: string, nextOffset: number): void {
    this.epochs.push({ epoch, nextOffset })
    this.#nextOffset = nextOffset
    this.#epochBegin = this.entries.length
    this.#notify()
  }

  onBatch(entries: readonly Entry[]): void {
    if (entries.length === 0) throw new Error('an empty batch')
    for (const { offset } of entries) {
      if (offset !== this.#nextOffset) throw new Error(`offset ${offset} came in place of ${this.#nextOffset}`)
      this.#nextOffset++
    }
    for (const entry of entries) this.entries.push(entry)
    this.#notify()
  }

  onAvailability(available: boolean, error?: unknown): void {
    this.availability.push({ available, error })
    this.#notify()
  }

  /** The entries without the placeholders that fill gaps in an engine's own numbers. */
  get written(): Entry[] {
    return this.entries.filter(isWritten)
  }

  /** The entries since the last `onEpoch`, without placeholders. */
  get current(): Entry[] {
    return this.entries.slice(this.#epochBegin).filter(isWritten)
  }

  get offsets(): number[] {
    return this.entries.map(({ offset }) => offset)
  }

  /** The authors of the written entries and their sequence numbers: `node:sequence`. */
  get origins(): string[] {
    return this.written.map(originOf)
  }

  get lastOffset(): number {
    return (this.#nextOffset ?? 1) - 1
  }

  /** The availability that the journal reported last. */
  get isAvailable(): boolean {
    return this.availability.at(-1)?.available ?? true
  }

  /** Resolves as soon as the condition holds. */
  async until(isReached: (recorder: this) => boolean): Promise<void> {
    while (!isReached(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** Starts a tail. Resolves when all existing entries have been recorded. */
export async function record(journal: Journal): Promise<Recorder> {
  const recorder = new Recorder()
  recorder.tail = await journal.tail(recorder)
  return recorder
}

export const originOf = ({ node, sequence }: { readonly node: string; readonly sequence: number }): string =>
  `${node}:${sequence}`

const isWritten = ({ bytes }: Entry): boolean => bytes > 0
