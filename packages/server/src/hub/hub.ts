/**
 * The hub: reads the journal and writes to each connection what concerns it, in the journal's order. Publishing,
 * fan-out, acks, resuming, deduplication and slow clients all pass through here, because all read the same window.
 */
import { formatCursor, type Cursor } from '@lastcall/protocol'
import type { Clock } from '../clock.js'
import { CLOSES } from '../connections/closes.js'
import type { Connection } from '../connections/connection.js'
import type { FrameSink } from '../connections/transport.js'
import { LastcallError } from '../errors.js'
import type { EncodeFrame } from '../frames.js'
import { channelOf, forEachConcernedPersonally, handleEntry, type EntryHandlers } from '../journal/entry-kinds.js'
import type { Entry, EntryContent, InstanceState, Journal, Retention, Tail } from '../journal/journal.js'
import type { Logger } from '../observability/log.js'
import type { Stats } from '../observability/stats.js'
import { Audiences, type Audience } from './audience.js'
import { CatchUps } from './catch-up.js'
import type { Instances } from '../instances/instances.js'
import { Moves } from '../presence/moves.js'
import { frameFor, sharedFrame, type Replay } from './catch-up-chunks.js'
import { PresenceAnnouncer } from '../presence/presence-announcer.js'
import { Publisher } from './publisher.js'
import { Window, type WindowEntry } from './window.js'

export interface HubOptions {
  readonly journal: Journal
  readonly retention: Retention
  /** This instance's id. */
  readonly node: string
  readonly build: string
  /** Is told what the journal says of instances. */
  readonly instances: Instances
  readonly encodeFrame: EncodeFrame
  /** Milliseconds over which comings and goings are gathered; 0: they are not told. */
  readonly presenceIntervalMs: number
  /** The connection of this client on this instance. */
  readonly connectionOf: (clientId: string) => Connection | undefined
  /** A message of this author, with this id of its own, did not get into the journal. */
  readonly onPublishFailed: (author: Connection, id: string | undefined, error: LastcallError) => void
  /** While this instance is draining: another one has let this client in, be it still here or not. */
  readonly onSeenElsewhere: (clientId: string) => void
  readonly clock: Clock
  readonly stats: Stats
  readonly log: Logger
}

/** Where a connection begins. */
export interface Start {
  readonly cursor: string
  /** `null`: no cursor was given. */
  readonly recovered: boolean | null
}

/** A connection with this many messages on their way into the journal is not read from until some are back. */
const MAX_UNACKED = 64

/** How long `close` waits for what is on its way into the journal. */
const MAX_CLOSE_MS = 5000

export class Hub {
  readonly #options: HubOptions
  readonly #window: Window
  readonly #catchUps: CatchUps
  readonly #publisher: Publisher<Connection>
  readonly #audiences = new Audiences<Connection>()
  readonly #presence: PresenceAnnouncer
  readonly #moves: Moves
  readonly #handlers: EntryHandlers
  /** Connections that have joined. */
  #memberCount = 0
  #epoch = ''
  #available = true
  #tail: Tail | undefined
  #waitingForOffset: { offset: number; resolve: () => void }[] = []

  constructor(options: HubOptions) {
    this.#options = options
    this.#window = new Window(options.retention, options.encodeFrame)
    this.#catchUps = new CatchUps({
      ...options,
      window: this.#window,
      onCaughtUp: (connection) => {
        if (connection.onceFlushed) this.#notifyFlushed(connection)
      },
    })
    this.#publisher = new Publisher({
      ...options,
      maxPendingSize: Math.max(16 * 1024 * 1024, options.retention.maxBytes / 4),
      // Its author may be back on another connection, where the message's retry has been taken for one under way.
      onFailed: (author, id, error) =>
        options.onPublishFailed(options.connectionOf(author.clientId) ?? author, id, error),
      onRetryBack: (author, clientId, id) => void this.#isRetry(author, clientId, id),
      onSettled: (author) => {
        if (author.unacked === MAX_UNACKED / 2) author.transport.resume()
        if (author.onceFlushed) this.#notifyFlushed(author)
      },
    })
    const publish = (content: EntryContent): void => this.#publisher.publish(content)
    this.#presence = new PresenceAnnouncer({
      ...options,
      memberCount: () => this.#memberCount,
      countIn: (channel) => this.countIn(channel),
      publish,
    })
    this.#moves = new Moves({ ...options, presence: this.#presence, publish })
    this.#handlers = {
      message: undefined,
      direct: undefined,
      presence: (entry) => this.#moves.readPresence(entry),
      instance: (entry) => options.instances.heard(entry),
      arrival: (entry) => {
        if (entry.node !== options.node) this.#moves.readArrival(entry)
      },
      unknown: () => options.stats.unknownEntries++,
      placeholder: undefined,
    }
  }

  /** Fills the window from the journal. Resolves when it is up to date. */
  async open(): Promise<void> {
    this.#tail = await this.#options.journal.tail({
      onEpoch: (epoch, nextOffset) => this.#onEpoch(epoch, nextOffset),
      onBatch: (entries) => this.#onBatch(entries),
      onAvailability: (available, error) => this.#onAvailability(available, error),
    })
  }

  /**
   * Ends the reading. Waits for what is pending, but not for ever: during an outage nothing comes back. The caller closes
   * the journal itself.
   */
  async close(): Promise<void> {
    this.#moves.close()
    this.#presence.flush()
    const stopWaiting = this.#options.clock.after(MAX_CLOSE_MS, () =>
      this.#publisher.failAll(unavailable('the journal did not answer before the end')),
    )
    await this.#publisher.settled()
    stopWaiting()
    await this.#tail?.stop()
  }

  // ——— what it knows

  get window(): Pick<Window, 'size' | 'bytes' | 'first' | 'head'> {
    return this.#window
  }

  get behindCount(): number {
    return this.#catchUps.size
  }

  get isAvailable(): boolean {
    return this.#available
  }

  get lagMs(): number {
    return this.#publisher.lagMs
  }

  countIn(channel: string): number {
    return this.#audiences.countIn(channel)
  }

  #cursorAt(offset: number): string {
    return formatCursor({ epoch: this.#epoch, offset })
  }

  // ——— into the journal

  /** Takes a client's message. Its ack comes from the journal; so does the ack of a retry that is recognised. */
  publish(author: Connection, content: Extract<EntryContent, { kind: 'message' | 'direct' }>): void {
    if (content.id !== undefined && this.#isRetry(author, content.from, content.id)) {
      this.#options.stats.duplicates++
      return
    }
    this.#options.stats.messagesTaken++
    this.#publisher.publish(content, author)
    if (author.unacked === MAX_UNACKED) author.transport.pause()
  }

  #isRetry(author: Connection, clientId: string, id: string): boolean {
    const offset = this.#window.offsetOf(clientId, id)
    if (offset === undefined) return this.#publisher.retry(clientId, id, author)
    // One that is behind meets the ack in its own stream, unless it is past it.
    if (!author.catchUp || author.catchUp.position >= offset) author.send(this.#window.at(offset).frames.ack(offset))
    return true
  }

  /** Resolves when everything published so far has come back from the journal or has failed. */
  settled(): Promise<void> {
    return this.#publisher.settled()
  }

  // ——— coming and going

  /**
   * Resolves when the journal's reading has come to this cursor, or it is clear that it won't in `maxWaitMs`: another
   * instance may have told the client of an entry that is not read here yet.
   */
  async waitForCursor(cursor: Cursor, maxWaitMs: number): Promise<void> {
    if (cursor.epoch !== this.#epoch || cursor.offset <= this.#window.head) return
    await new Promise<void>((resolve) => {
      const waiting = { offset: cursor.offset, resolve }
      this.#waitingForOffset.push(waiting)
      this.#options.clock.after(maxWaitMs, () => {
        const index = this.#waitingForOffset.indexOf(waiting)
        if (index >= 0) this.#waitingForOffset.splice(index, 1)
        resolve()
      })
    })
  }

  /** Whether everything after this cursor can still be said. */
  canRecover(cursor: Cursor | 'malformed'): cursor is Cursor {
    return cursor !== 'malformed' && cursor.epoch === this.#epoch && this.#window.reaches(cursor.offset)
  }

  /**
   * Lets a connection hear these channels, from the cursor on if that can be had, else from now on. What it missed
   * follows by itself, once the caller has sent the welcome.
   */
  join(connection: Connection, channels: Iterable<string>, cursor: Cursor | 'malformed' | undefined): Start {
    const { stats } = this.#options
    const audience = this.#audiences.enter(channels, connection.locale)
    connection.audience = audience
    this.#memberCount++
    if (cursor === undefined) {
      audience.goLive(connection)
      return { cursor: this.#cursorAt(this.#window.head), recovered: null }
    }
    if (!this.canRecover(cursor)) {
      stats.resumesNotRecovered++
      audience.goLive(connection)
      return { cursor: this.#cursorAt(this.#window.head), recovered: false }
    }
    stats.resumesRecovered++
    if (cursor.offset === this.#window.head) audience.goLive(connection)
    else this.#catchUps.begin(connection, cursor.offset)
    return { cursor: formatCursor(cursor), recovered: true }
  }

  /** Its stream is over: a close frame is on its way. */
  stopDelivery(connection: Connection): void {
    connection.audience?.live.delete(connection)
  }

  leave(connection: Connection): void {
    const { audience } = connection
    if (!audience) return
    this.#audiences.leave(audience, connection)
    this.#memberCount--
    connection.audience = undefined
    this.#catchUps.forget(connection)
    if (connection.onceFlushed) this.#notifyFlushed(connection)
  }

  /** More channels, and with `since` first what they had after it. `acknowledge` makes the frame that follows. */
  subscribe(
    connection: Connection,
    channels: readonly string[],
    since: Cursor | 'malformed' | undefined,
    acknowledge: (start: Start) => Buffer,
  ): void {
    const position = connection.catchUp?.position ?? this.#window.head
    this.#move(connection, [...(connection.audience?.channels ?? []), ...channels])
    const isReachable = since !== undefined && this.canRecover(since) && since.offset <= position
    const recovered = since === undefined ? null : isReachable
    const lastFrame = acknowledge({ cursor: this.#cursorAt(position), recovered })
    if (isReachable && since.offset < position) {
      this.#options.stats.resumesRecovered++
      const replay: Replay = { channels: new Set(channels), position: since.offset, upTo: position, lastFrame }
      this.#catchUps.begin(connection, position).replays.push(replay)
      return
    }
    if (recovered === false) this.#options.stats.resumesNotRecovered++
    connection.send(lastFrame)
  }

  unsubscribe(connection: Connection, channels: readonly string[]): Start {
    const gone = new Set(channels)
    for (const replay of connection.catchUp?.replays ?? []) {
      for (const channel of channels) replay.channels.delete(channel)
    }
    this.#move(
      connection,
      [...(connection.audience?.channels ?? [])].filter((channel) => !gone.has(channel)),
    )
    return { cursor: this.#cursorAt(connection.catchUp?.position ?? this.#window.head), recovered: null }
  }

  #move(connection: Connection, channels: Iterable<string>): void {
    const before = connection.audience
    connection.audience = this.#audiences.enter(channels, connection.locale)
    if (before) this.#audiences.leave(before, connection)
    if (!connection.catchUp) connection.audience.goLive(connection)
  }

  // ——— presence

  /** Somebody was let in: see `Moves.came`. */
  announceArrival(clientId: string, channels: Iterable<string>, isMoving: boolean): void {
    this.#moves.came(clientId, channels, isMoving)
  }

  /** Tells a channel, with others, that somebody came. */
  announceJoin(clientId: string, channels: Iterable<string>): void {
    this.#presence.joined(clientId, channels)
  }

  /** Tells a channel that somebody is there no longer. */
  announceLeave(clientId: string, channels: Iterable<string>): void {
    this.#presence.left(clientId, channels)
  }

  /** Somebody has gone: see `Moves.left`. */
  announceDeparture(clientId: string, channels: Iterable<string>): void {
    this.#moves.left(clientId, channels)
  }

  /** Tells the other instances what this one is. */
  announceInstance(state: InstanceState): void {
    this.#publisher.publish({ kind: 'instance', build: this.#options.build, state })
  }

  // ——— out of the journal

  #onEpoch(epoch: string, nextOffset: number): void {
    const { log } = this.#options
    const replaced = this.#epoch !== '' && (this.#epoch !== epoch || nextOffset !== this.#window.head + 1)
    this.#epoch = epoch
    this.#window.reset(nextOffset)
    this.#options.instances.forget()
    if (!replaced) return
    log.error('journal.epoch', { epoch, nextOffset }, 'the journal is another one: who resumes will not recover')
    // What was acknowledged by the journal and not read back yet is lost, or stands where this instance will not read it.
    this.#publisher.failAll(unavailable('the journal was replaced'))
    // The journal was replaced and offsets may restart: close every connection.
    this.#catchUps.closeAll()
    for (const audience of this.#audiences.all()) {
      for (const connection of audience.live.keys()) connection.close(CLOSES.tooSlow)
    }
  }

  #onAvailability(available: boolean, error: unknown): void {
    this.#available = available
    const { log } = this.#options
    if (available) log.info('journal.available', 'the journal takes entries again')
    else log.error('journal.unavailable', { error }, 'the journal takes no entries; clients stay connected')
  }

  #onBatch(entries: readonly Entry[]): void {
    const { node, clock, stats } = this.#options
    const isHistory = this.#tail === undefined
    const time = { wallMs: clock.now(), monotonicMs: clock.monotonic(), isHistory }
    const batch: WindowEntry[] = []
    for (const entry of entries) {
      const item = this.#window.push(entry, time)
      if (item.retryOf !== undefined) stats.duplicates++
      batch.push(item)
    }
    this.#deliver(batch)
    for (const entry of entries) {
      handleEntry(entry, this.#handlers)
      // After the delivery: whoever waits for its last ack has it in its socket by then.
      if (entry.node === node) this.#publisher.readBack(entry)
    }
    this.#catchUps.wakeAll()
    if (this.#waitingForOffset.length > 0) {
      const { head } = this.#window
      const there = this.#waitingForOffset.filter(({ offset }) => offset <= head)
      this.#waitingForOffset = this.#waitingForOffset.filter(({ offset }) => offset > head)
      for (const { resolve } of there) resolve()
    }
  }

  /** One write per connection, whatever the batch holds. */
  #deliver(batch: readonly WindowEntry[]): void {
    const touched = new Set<Audience<Connection>>()
    const apart: Connection[] = []
    const setApart = (clientId: string): void => {
      const connection = this.#options.connectionOf(clientId)
      if (connection?.audience?.live.delete(connection)) apart.push(connection)
    }
    for (const { entry } of batch) {
      const channel = channelOf(entry)
      if (channel !== undefined) for (const audience of this.#audiences.of(channel)) touched.add(audience)
      forEachConcernedPersonally(entry, setApart)
    }
    for (const audience of touched) {
      if (audience.live.size === 0) continue
      const { channels, locale } = audience
      const frames = framesOf(batch, (item) => sharedFrame(item, channels, locale))
      if (frames.length === 0) continue
      const bytes = joined(frames)
      for (const [connection, sink] of audience.live) this.#write(connection, sink, bytes, frames.length)
    }
    for (const connection of apart) {
      const audience = connection.audience as Audience<Connection>
      audience.goLive(connection)
      const frames = framesOf(batch, (item) => frameFor(item, audience.channels, connection.identity))
      if (frames.length > 0) this.#write(connection, connection.transport.sink, joined(frames), frames.length)
    }
  }

  #write(connection: Connection, sink: FrameSink, bytes: Buffer, count: number): void {
    const { stats } = this.#options
    const hasRoom = sink.writable && sink.write(bytes)
    if (!hasRoom && !connection.transport.isFull) {
      // It vanished in the middle of this; its end will be told in a moment.
      this.stopDelivery(connection)
      stats.failedBroadcasts++
      return
    }
    stats.deliveries += count
    stats.bytesSent += bytes.length
    if (!hasRoom) this.#catchUps.begin(connection, this.#window.head)
  }

  // ——— those that are behind

  /** Writes a frame once what is in the journal now and concerns the connection has been written to it. */
  whenCaughtUp(connection: Connection, frame: (offset: number) => Buffer): void {
    this.#catchUps.whenCaughtUp(connection, frame)
  }

  /** The connection's socket takes more again. */
  drained(connection: Connection): void {
    if (connection.catchUp) this.#catchUps.wake(connection)
  }

  /** Lets go of what has become too old, and of those who still needed it. */
  sweep(): void {
    this.#window.trim(this.#options.clock.monotonic())
    this.#catchUps.sweep()
  }

  // ——— those that are about to leave

  /** Calls back once the connection has its acks and everything else that is due to it, or has left. */
  onceFlushed(connection: Connection, callback: () => void): void {
    connection.onceFlushed = callback
    this.#notifyFlushed(connection)
  }

  #notifyFlushed(connection: Connection): void {
    if (connection.audience && (connection.unacked > 0 || connection.catchUp)) return
    const callback = connection.onceFlushed
    connection.onceFlushed = undefined
    callback?.()
  }
}

const unavailable = (problem: string): LastcallError =>
  new LastcallError('journal_unavailable', problem, { temporary: true })

function framesOf(batch: readonly WindowEntry[], frameOf: (item: WindowEntry) => Buffer | undefined): Buffer[] {
  const frames: Buffer[] = []
  for (const item of batch) {
    const frame = frameOf(item)
    if (frame) frames.push(frame)
  }
  return frames
}

const joined = (frames: readonly Buffer[]): Buffer =>
  frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames)
