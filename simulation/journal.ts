/**
 * The simulated journal: one log on one disk, shared by all instances, each over a line of its own. A write is durable only
 * after the disk has synced it; entries are read and appends answered after that. It can lose its power, its contents, or what
 * came last.
 */
import type { Random } from '#e2e/chaos/random.js'
import { LastcallError } from '#server/errors.js'
import { decodeEntry, encodeEntry } from '#server/journal/entry-codec.js'
import type { Journal, JournalListener, NewEntry, Tail } from '#server/journal/journal.js'
import type { SimulatedHistory } from './history.js'
import type { Scheduler } from './scheduler.js'

/** An append without an answer times out after this time, in milliseconds. */
const TIMEOUT_MS = 2000

/** Readers get an entry, and an append its answer, only after the disk has synced it. */
const WAITS_FOR_DISK = true as boolean

export interface JournalPace {
  readonly delayMs: number
  readonly syncMs: number
}

/** An append that the journal has received and the disk has not. */
interface Write {
  readonly entries: readonly Buffer[]
  /** @param head The offset of the last of these entries. */
  readonly onDurable: (head: number) => void
}

export class JournalServer {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly pace: JournalPace
  readonly #history: SimulatedHistory
  readonly #lines = new Set<JournalLine>()
  #epochs = 1
  log: Buffer[] = []
  /** The highest offset that any instance has read, or of which it knows that it was durable. */
  #highestKnown = 0
  /** The number of times that the journal has lost entries. */
  losses = 0
  #writes: Write[] = []
  #isSyncing = false
  /** The number of entries that the disk has. */
  #syncedCount = 0
  #power = 0
  isUp = true

  constructor(scheduler: Scheduler, random: Random, pace: JournalPace, history: SimulatedHistory) {
    this.scheduler = scheduler
    this.random = random
    this.pace = pace
    this.#history = history
  }

  get epoch(): string {
    return `epoch-${this.#epochs}`
  }

  /** A journal as one instance uses it. */
  connect(): JournalLine {
    const line = new JournalLine(this)
    this.#lines.add(line)
    return line
  }

  remove(line: JournalLine): void {
    this.#lines.delete(line)
  }

  write(entries: readonly Buffer[], onDurable: (head: number) => void): void {
    if (!this.isUp) return
    this.#writes.push({ entries, onDurable })
    this.#sync()
  }

  /** An instance knows that the entries up to this offset were durable. */
  confirm(head: number): void {
    this.#highestKnown = Math.max(this.#highestKnown, head)
  }

  /** Runs one sync at a time, which covers every write before its start. */
  #sync(): void {
    if (this.#isSyncing || this.#writes.length === 0) return
    this.#isSyncing = true
    const power = this.#power
    const writes = this.#writes.splice(0)
    const show = (): void => {
      for (const { entries, onDurable } of writes) {
        this.log.push(...entries)
        onDurable(this.log.length)
      }
      for (const line of this.#lines) line.onAppended()
    }
    const synced = (): void => {
      if (power !== this.#power) return
      this.#isSyncing = false
      if (WAITS_FOR_DISK) show()
      this.#syncedCount = this.log.length
      this.#sync()
    }
    if (!WAITS_FOR_DISK) show()
    this.scheduler.after(this.pace.syncMs * (0.5 + this.random.next()), synced)
  }

  /** The machine of the journal loses its power and all unsynced entries. */
  losePower(ms: number): void {
    this.#power++
    this.#isSyncing = false
    this.#writes = []
    this.log = this.log.slice(0, this.#syncedCount)
    this.isUp = false
    for (const line of this.#lines) line.break()
    this.scheduler.after(ms, () => {
      this.isUp = true
      for (const line of this.#lines) line.mend()
    })
  }

  /** The journal keeps only the first entries. A new epoch begins if an instance knows of an entry that is lost. */
  goBack(kept: number): void {
    if (kept >= this.log.length) return
    this.losses++
    this.#power++
    this.#isSyncing = false
    this.#writes = []
    const { epoch } = this
    if (kept > 0)
      this.#history.record({ type: 'broker', what: 'lost', epoch, offset: kept, text: 'the journal went back' })
    else this.#history.record({ type: 'broker', what: 'lost', text: 'the journal was emptied' })
    if (this.#highestKnown > kept) {
      this.#epochs++
      this.log = []
      this.#highestKnown = 0
    } else this.log = this.log.slice(0, kept)
    this.#syncedCount = this.log.length
    for (const line of this.#lines) line.onLost()
    this.#history.record({ type: 'broker', what: 'joined', text: '' })
  }
}

const unavailable = (problem: string): LastcallError =>
  new LastcallError('journal_unavailable', problem, { temporary: true })

export class JournalLine implements Journal {
  readonly isShared = true
  readonly #server: JournalServer
  #listener: JournalListener | undefined
  /** The position of the reader: the number of entries that the listener has got in this epoch. */
  #position = 0
  #epoch = ''
  #isReading = false
  #isDead = false
  #isBroken = false
  #lastArrivalMs = 0
  readonly #open = new Set<(error: LastcallError) => void>()

  constructor(server: JournalServer) {
    this.#server = server
  }

  /** The instance was killed. */
  kill(): void {
    this.#isDead = true
    this.#server.remove(this)
  }

  append(entries: readonly NewEntry[]): Promise<void> {
    const { scheduler } = this.#server
    const encoded = entries.map((entry) => encodeEntry(entry))
    if (this.#isBroken) return Promise.reject(unavailable('the line is down'))
    return new Promise((resolve, reject) => {
      const fail = (error: LastcallError): void => {
        if (this.#open.delete(fail)) reject(error)
      }
      this.#open.add(fail)
      scheduler.after(TIMEOUT_MS, () => fail(unavailable('no answer in time')))
      const answer = (head: number): void => {
        const { losses } = this.#server
        this.#arrive(() => {
          // The answer was lost together with the entries: the append times out.
          if (losses !== this.#server.losses) return
          this.#server.confirm(head)
          if (this.#open.delete(fail)) resolve()
        })
      }
      // Appends that the instance has sent arrive even if its line breaks.
      this.#send(() => this.#server.write(encoded, answer))
    })
  }

  async tail(listener: JournalListener): Promise<Tail> {
    await new Promise<void>((resolve) => this.#send(resolve))
    this.#listener = listener
    this.#begin()
    const upTo = this.#server.log.length
    const { epoch } = this.#server
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#position >= upTo || this.#epoch !== epoch) resolve()
        else this.#server.scheduler.after(10, look)
      }
      this.onAppended()
      look()
    })
    return {
      stop: () => {
        this.#listener = undefined
        return Promise.resolve()
      },
    }
  }

  close(): Promise<void> {
    this.kill()
    return Promise.resolve()
  }

  // ——— what happens to the journal and to the line

  onAppended(): void {
    if (this.#isReading || this.#isBroken || this.#isDead) return
    this.#isReading = true
    this.#arrive(() => {
      this.#isReading = false
      this.#read()
    })
  }

  break(): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#soon(() => {
      if (!this.#isBroken) return
      for (const fail of [...this.#open]) fail(unavailable('the line broke'))
      this.#listener?.onAvailability(false, unavailable('the line broke'))
    })
  }

  mend(): void {
    if (!this.#isBroken) return
    this.#isBroken = false
    this.#arrive(() => {
      if (this.#isBroken) return
      this.#listener?.onAvailability(true)
      this.#read()
    })
  }

  onLost(): void {
    this.onAppended()
  }

  #begin(): void {
    this.#epoch = this.#server.epoch
    this.#position = 0
    this.#listener?.onEpoch(this.#epoch, 1)
  }

  #read(): void {
    if (this.#isDead || this.#isBroken || !this.#listener) return
    if (this.#epoch !== this.#server.epoch) this.#begin()
    const { log, random } = this.#server
    const count = random.chance(0.7) ? log.length - this.#position : random.between(1, 3)
    const entries = log
      .slice(this.#position, this.#position + count)
      .map((bytes, index) => decodeEntry(this.#position + index + 1, bytes))
    if (entries.length === 0) return
    this.#position += entries.length
    this.#server.confirm(this.#position)
    this.#listener.onBatch(entries)
    if (this.#position < log.length) this.onAppended()
  }

  /** To the journal, in order. */
  #send(run: () => void): void {
    this.#arrive(run, true)
  }

  #arrive(run: () => void, isFromDead = false): void {
    const { scheduler, random, pace } = this.#server
    const ms = pace.delayMs * (0.5 + random.next())
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, scheduler.nowMs + ms)
    scheduler.after(this.#lastArrivalMs - scheduler.nowMs, () => {
      if (isFromDead || !this.#isDead) run()
    })
  }

  #soon(run: () => void): void {
    this.#server.scheduler.after(1, () => {
      if (!this.#isDead) run()
    })
  }
}
