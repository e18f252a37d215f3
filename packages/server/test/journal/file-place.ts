/**
 * Directories for file journals, and what tests do to them behind the journal's back.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../../src/clock.js'
import type { Journal } from '../../src/journal/journal.js'
import { openJournal } from '../../src/journal/open-journal.js'
import {
  record,
  UNLIMITED,
  type JournalFaults,
  type JournalPlace,
  type OpenOptions,
  type Recorder,
} from '../../src/testing/index.js'
import { removeFolder } from '../support/remove-folder.js'

export class FilePlace implements JournalPlace {
  readonly root = mkdtempSync(join(tmpdir(), 'lastcall-journal-'))
  readonly path = join(this.root, 'journal')
  readonly #journals: Journal[] = []

  async open({ retention, clock }: Partial<OpenOptions> = {}, path = this.path): Promise<Journal> {
    const journal = await openJournal(`file:${path}`, {
      retention: retention ?? UNLIMITED,
      clock: clock ?? systemClock,
    })
    this.#journals.push(journal)
    return journal
  }

  /** The content that a new reader finds. */
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

  readonly faults: Partial<JournalFaults> = {
    rollOver: async (append) => {
      for (let rolls = 0; rolls < 2; rolls++) for (const before = this.segment; this.segment === before;) await append()
    },
    outrun: () => {
      // The event loop, and the open journals with it, stand still meanwhile.
      const args = [join(import.meta.dirname, 'fixtures', 'appender.mjs'), this.path, 'other', '5000', '1000']
      const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      return stdout.includes('acked 5000') ? Promise.resolve() : Promise.reject(new Error(stdout))
    },
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.close()))
    removeFolder(this.root)
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
  soon = (callback: () => void): void => systemClock.soon(callback)
  monotonic = (): number => performance.now()
  after = (_ms: number, callback: () => void): (() => void) => this.#add(callback)
  every = (_ms: number, callback: () => void): (() => void) => this.#add(callback)
  keepAwake = (): (() => void) => () => undefined

  #add(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  step(): void {
    for (const callback of this.#callbacks) callback()
  }
}
