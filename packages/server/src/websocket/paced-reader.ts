/**
 * Reads one socket at the pace of the event loop: hands `ws` a bounded part of what arrives in each turn, and puts the rest
 * back to the socket until the next one.
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
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

/** So many frames of one connection are read in one turn. `ws` cuts a peer off that has 60 pongs to come. */
const MAX_FRAMES_A_TURN = 50

/** So many bytes of one connection are read in one turn: one chunk of the operating system. */
const MAX_BYTES_A_TURN = 64 * 1024

/** A connection of which less than this was read within the present second has a share in the time of those that send little. */
const LIGHT_FRAMES = 16
const LIGHT_BYTES = 16 * 1024
const RECENT_MS = 1000

/** The listener of `ws`, which parses what it is given. */
type Parser = (this: Duplex, chunk: Buffer) => void

export class PacedReader implements TurnReader {
  readonly #owner: ReaderOwner
  readonly #webSocket: Pick<WebSocket, 'pause' | 'resume'>
  readonly #socket: Duplex
  readonly #turns: ReadingTurns
  readonly #parse: Parser
  readonly #meter = new FrameMeter()
  /** The turn in which it was last read from, and how much of it is used. */
  #turn = 0
  #framesInTurn = 0
  #bytesInTurn = 0
  /** The server counts frames and bytes since this time, by the monotonic clock. It begins anew after a second. */
  #recentSinceMs = 0
  #recentFrames = 0
  #recentBytes = 0
  /** Set while it waits for the next turn. */
  #isWaiting = false
  /** What was taken from the socket and put back, in bytes. */
  #putBackBytes = 0
  /** Nothing that follows is parsed. */
  #isDeaf = false

  /** Takes the place of the listener of `ws`, which would parse a chunk to its end: it may be 10,000 empty frames. */
  constructor(
    owner: ReaderOwner,
    webSocket: Pick<WebSocket, 'pause' | 'resume'>,
    { socket, turns }: { readonly socket: Duplex; readonly turns: ReadingTurns },
  ) {
    this.#owner = owner
    this.#webSocket = webSocket
    this.#socket = socket
    this.#turns = turns
    const [parse] = socket.listeners('data')
    invariant(parse, 'ws listens to the socket')
    this.#parse = parse as Parser
    socket.off('data', this.#parse)
  }

  /** A chunk has arrived. */
  onData(chunk: Buffer): void {
    // What a closed socket still holds is read by `ws`.
    if (this.#isDeaf || this.#socket.destroyed) return
    const startedAtMs = performance.now()
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
    // What answers them, 50 pongs for example, leaves in one system call.
    const isCorked = frames > 1
    if (isCorked) this.#socket.cork()
    this.#parse.call(this.#socket, isAll ? chunk : chunk.subarray(0, end))
    if (isCorked) this.#socket.uncork()
    this.#turns.spend(share, performance.now() - startedAtMs)
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

  /** Puts back what this turn has no room for: so the socket does not end before it is read. */
  #putBack(rest: Buffer): void {
    // The part before it held the peer's close frame, or a fault.
    if (this.#isDeaf) return
    this.#webSocket.pause()
    this.#putBackBytes = rest.length
    this.#socket.unshift(rest)
    // A connection that its owner has paused reads on when that is over.
    if (!this.#owner.mayRead) return
    this.#isWaiting = true
    this.#turns.wait(this.#share, this)
  }

  readInTurn(): void {
    this.#isWaiting = false
    if (!this.#owner.mayRead) return
    // Of a paused stream only what it is asked for: reading on by itself, it would not keep to the turn.
    if (this.#putBackBytes > 0) this.#socket.read(Math.min(this.#putBackBytes, this.#socket.readableLength))
    this.readOn()
  }

  /** The connection may be read from again. */
  readOn(): void {
    if (this.#owner.mayRead && !this.#isWaiting) this.#webSocket.resume()
  }

  /** Parses nothing more: the peer's close frame has come, or a fault. What follows is read and dropped. */
  stop(): void {
    this.#isDeaf = true
  }

  /** The connection has ended. */
  end(): void {
    this.#turns.forget(this)
  }
}
