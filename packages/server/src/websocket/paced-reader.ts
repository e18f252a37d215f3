/**
 * Reads one socket at the pace of the event loop: in each turn it passes a bounded part of the received bytes to `ws`, and
 * returns the rest to the socket until the next turn.
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Clock } from '../clock.js'
import { invariant } from '../invariant.js'
import { FrameMeter } from './frame-meter.js'
import type { ReadingShare, ReadingTurns, TurnReader } from './reading-turns.js'

/** The connection that is read from. */
export interface ReaderOwner {
  /** Whether the connection may be read from now. */
  readonly mayRead: boolean
  /** See `TransportListener`. */
  onExtraFrames(count: number): void
}

/** The number of frames of one connection that are read in one turn. `ws` closes the connection of a peer with 60 pending pongs. */
const MAX_FRAMES_A_TURN = 50

/** The number of bytes of one connection that are read in one turn: one chunk of the operating system. */
const MAX_BYTES_A_TURN = 64 * 1024

/** A connection from which fewer bytes than this were read within the present second belongs to the light share. */
const LIGHT_FRAMES = 16
const LIGHT_BYTES = 16 * 1024
const RECENT_MS = 1000

/** A socket, and what paces the reading from it. */
interface PacedSocket {
  readonly socket: Duplex
  readonly turns: ReadingTurns
  readonly clock: Pick<Clock, 'monotonic'>
}

/** The listener of `ws`, which parses the bytes that it receives. */
type Parser = (this: Duplex, chunk: Buffer) => void

export class PacedReader implements TurnReader {
  readonly #owner: ReaderOwner
  readonly #webSocket: Pick<WebSocket, 'pause' | 'resume'>
  readonly #socket: Duplex
  readonly #turns: ReadingTurns
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #parse: Parser
  readonly #meter = new FrameMeter()
  /** The turn in which it was last read from, and the used part of that turn's budget. */
  #turn = 0
  #framesInTurn = 0
  #bytesInTurn = 0
  /** The start of the present second of counting, by the monotonic clock. */
  #recentSinceMs = 0
  #recentFrames = 0
  #recentBytes = 0
  /** Whether it waits for the next turn. */
  #isWaiting = false
  /** The number of bytes that were read and returned to the socket. */
  #putBackBytes = 0
  /** Whether further bytes are dropped without parsing. */
  #isDeaf = false

  /** Replaces the listener of `ws`, which would parse a chunk to its end: a chunk may contain 10,000 empty frames. */
  constructor(
    owner: ReaderOwner,
    webSocket: Pick<WebSocket, 'pause' | 'resume'>,
    { socket, turns, clock }: PacedSocket,
  ) {
    this.#owner = owner
    this.#webSocket = webSocket
    this.#socket = socket
    this.#turns = turns
    this.#clock = clock
    const [parse] = socket.listeners('data')
    invariant(parse, 'ws listens to the socket')
    this.#parse = parse as Parser
    socket.off('data', this.#parse)
  }

  /** A chunk has arrived. */
  onData(chunk: Buffer): void {
    // `ws` reads the bytes that a closed socket still has.
    if (this.#isDeaf || this.#socket.destroyed) return
    const startedAtMs = this.#clock.monotonic()
    this.#enterTurn(startedAtMs)
    const share = this.#share
    if (this.#isWaiting || !this.#owner.mayRead || this.#turns.isOver(share) || this.#isTurnUsed) {
      return this.#putBack(chunk)
    }
    const end = this.#meter.measure(chunk, MAX_FRAMES_A_TURN - this.#framesInTurn)
    const { frames, extraFrames } = this.#meter
    this.#framesInTurn += frames
    this.#bytesInTurn += end
    this.#recentFrames += frames
    this.#recentBytes += end
    if (extraFrames > 0) this.#owner.onExtraFrames(extraFrames)
    const isAll = end === chunk.length
    // The answers, 50 pongs for example, leave in one system call.
    const isCorked = frames > 1
    if (isCorked) this.#socket.cork()
    this.#parse.call(this.#socket, isAll ? chunk : chunk.subarray(0, end))
    if (isCorked) this.#socket.uncork()
    this.#turns.spend(share, this.#clock.monotonic() - startedAtMs)
    if (!isAll) this.#putBack(chunk.subarray(end))
  }

  #enterTurn(nowMs: number): void {
    const { current } = this.#turns
    this.#putBackBytes = 0
    if (nowMs - this.#recentSinceMs >= RECENT_MS) {
      this.#recentSinceMs = nowMs
      this.#recentFrames = 0
      this.#recentBytes = 0
    }
    if (this.#turn === current) return
    this.#turn = current
    this.#framesInTurn = 0
    this.#bytesInTurn = 0
  }

  get #share(): ReadingShare {
    return this.#recentFrames < LIGHT_FRAMES && this.#recentBytes < LIGHT_BYTES ? 'light' : 'heavy'
  }

  get #isTurnUsed(): boolean {
    return this.#framesInTurn >= MAX_FRAMES_A_TURN || this.#bytesInTurn >= MAX_BYTES_A_TURN
  }

  /** Returns the bytes that exceed this turn's budget to the socket, so that the socket does not end before they are read. */
  #putBack(rest: Buffer): void {
    // The part before it contained the peer's close frame, or an invalid frame.
    if (this.#isDeaf) return
    this.#webSocket.pause()
    this.#putBackBytes = rest.length
    this.#socket.unshift(rest)
    // The owner has paused the connection; reading continues when it resumes.
    if (!this.#owner.mayRead) return
    this.#isWaiting = true
    this.#turns.wait(this.#share, this)
  }

  readInTurn(): void {
    this.#isWaiting = false
    if (!this.#owner.mayRead) return
    // Reads a bounded number of bytes from a paused stream: a flowing stream would exceed the turn's budget.
    if (this.#putBackBytes > 0) this.#socket.read(Math.min(this.#putBackBytes, this.#socket.readableLength))
    this.readOn()
  }

  /** The connection may be read from again. */
  readOn(): void {
    if (this.#owner.mayRead && !this.#isWaiting) this.#webSocket.resume()
  }

  /** Stops parsing: the peer's close frame has arrived, or an invalid frame. Further bytes are read and dropped. */
  stop(): void {
    this.#isDeaf = true
  }

  /** The connection has ended. */
  end(): void {
    this.#turns.forget(this)
  }
}
