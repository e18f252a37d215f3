/**
 * A history as it grows: the events of clients, connections and servers, in order. Plain data (history-events.ts), so that it
 * can be kept in a file and checked again.
 */
import { createHash } from 'node:crypto'
import type { HistoryEvent, NewEvent } from './history-events.js'

/** A place in the journal. */
export interface Head {
  readonly epoch: string
  readonly offset: number
}

interface ClientPlace {
  readonly connection: string
  readonly epoch: string
  offset: number
}

export class History {
  readonly events: HistoryEvent[] = []
  /** The epoch of the newest welcome. */
  #epoch = ''
  /** epoch → the highest offset that any connection received */
  readonly #heads = new Map<string, number>()
  /** connection → epoch */
  readonly #epochs = new Map<string, string>()
  /** client → what its newest connection has received */
  readonly #places = new Map<string, ClientPlace>()
  readonly #startMs: number

  /**
   * @param startMs When it began, by `monotonicMs`. For a history that is put together from several processes: it has no event
   *   `begin` yet.
   */
  constructor(startMs?: number) {
    this.#startMs = startMs ?? monotonicMs()
    if (startMs === undefined) this.record({ type: 'begin', wallMs: Date.now() })
  }

  /** Milliseconds since it began, as in `at`: to the hundredth, so that the parts of several processes can be sorted. */
  now(): number {
    return Math.round((monotonicMs() - this.#startMs) * 100) / 100
  }

  record(event: NewEvent): void {
    this.events.push({ ...event, at: this.now() })
    if (!('connection' in event)) return
    const { connection } = event
    if (event.type === 'welcome') {
      const [epoch = ''] = event.cursor.split(':')
      this.#epoch = epoch
      this.#epochs.set(connection, epoch)
    }
    const epoch = this.#epochs.get(connection)
    if (epoch === undefined) return
    const offset = 'offset' in event ? event.offset : 0
    if (offset > (this.#heads.get(epoch) ?? 0)) this.#heads.set(epoch, offset)
    this.#move(connection, epoch, offset)
  }

  #move(connection: string, epoch: string, offset: number): void {
    const client = connection.slice(0, connection.lastIndexOf('#'))
    const place = this.#places.get(client)
    if (place?.connection === connection) place.offset = Math.max(place.offset, offset)
    else this.#places.set(client, { connection, epoch, offset })
  }

  /** The cursor before the first entry of the newest epoch that any connection received. */
  get beginning(): number {
    const offsets = this.events.flatMap((event) =>
      hasEntry(event) && this.#epochs.get(event.connection) === this.#epoch ? [event.offset] : [],
    )
    return offsets.reduce((least, offset) => Math.min(least, offset), this.head.offset + 1) - 1
  }

  /** Whether this client has received as much as any other. */
  isAtHead(client: string): boolean {
    const place = this.#places.get(client)
    return place !== undefined && place.epoch === this.head.epoch && place.offset >= this.head.offset
  }

  /** The newest epoch, and the highest offset in it that any connection received. */
  get head(): Head {
    return { epoch: this.#epoch, offset: this.#heads.get(this.#epoch) ?? 0 }
  }

  /** The number of events of a type, for the progress of a run. */
  count(type: HistoryEvent['type']): number {
    return this.events.reduce((count, event) => count + (event.type === type ? 1 : 0), 0)
  }
}

const hasEntry = (
  event: HistoryEvent,
): event is Extract<HistoryEvent, { type: 'message' | 'direct' | 'ack' | 'presence' }> =>
  event.type === 'message' || event.type === 'direct' || event.type === 'ack' || event.type === 'presence'

/** The same clock in all processes of a machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** A history has this in place of the data. */
export const digestOf = (data: unknown): string =>
  createHash('sha256').update(JSON.stringify(data)).digest('base64url').slice(0, 12)
