/**
 * Directories for file journals, and what tests do to them behind the journal's back.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../../src/clock.js'
import type { Journal, Retention } from '../../src/journal/journal.js'
import { openJournal } from '../../src/journal/open-journal.js'
import type { JournalOptions } from './journal-contract.js'
import { record, type Recorder } from './recorder.js'

const UNLIMITED: Retention = { maxEntries: 1e9, maxAgeMs: 1e12, maxBytes: 1e12 }

export class FilePlace {
  readonly root = mkdtempSync(join(tmpdir(), 'lastcall-journal-'))
  readonly path = join(this.root, 'journal')
  readonly #journals: Journal[] = []

  async open({ retention, clock }: Partial<JournalOptions> = {}, path = this.path): Promise<Journal> {
    const journal = await openJournal(`file:${path}`, {
      retention: retention ?? UNLIMITED,
      clock: clock ?? systemClock,
    })
    this.#journals.push(journal)
    return journal
  }

  /** What a reader finds who opens it anew. */
  async read(path = this.path): Promise<Recorder> {
    const journal = await this.open({}, path)
    const recorder = await record(journal)
    await journal.close()
    return recorder
  }

  segments(path = this.path): string[] {
    return readdirSync(path)
      .filter((name) => name.endsWith('.log'))
      .sort()
      .map((name) => join(path, name))
  }

  get segment(): string {
    return this.segments().at(-1) ?? ''
  }

  get bytes(): number {
    return this.segments().reduce((sum, segment) => sum + statSync(segment).size, 0)
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.close()))
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** A fingerprint of a file, or of a directory with everything in it. */
export function fingerprint(path: string): string {
  const hash = createHash('sha256')
  const add = (each: string): void => {
    if (!existsSync(each)) return
    const isDirectory = statSync(each).isDirectory()
    hash.update(`${each} ${isDirectory}`)
    if (isDirectory) for (const name of readdirSync(each).sort()) add(join(each, name))
    else hash.update(readFileSync(each))
  }
  add(path)
  return hash.digest('hex')
}

/** A clock whose intervals pass when the test says so. */
export class SteppedClock implements Clock {
  readonly #callbacks = new Set<() => void>()

  now = (): number => Date.now()
  monotonic = (): number => performance.now()
  after = (_ms: number, callback: () => void): (() => void) => this.#add(callback)
  every = (_ms: number, callback: () => void): (() => void) => this.#add(callback)

  #add(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  step(): void {
    for (const callback of this.#callbacks) callback()
  }
}
