/**
 * The progress of the client: the position from which it resumes, and whether a frame is new. Channels that the client
 * subscribed to later have positions of their own (channels.ts).
 */
import type { Channels } from './channels.js'
import type { WelcomeMessage } from './messages.js'
import { cursorOf, isSameJournal, positionAt, type Position } from './position.js'

export class Progress {
  readonly #channels: Channels
  /** `undefined`: no cursor yet. */
  position: Position | undefined

  constructor(channels: Channels) {
    this.#channels = channels
  }

  get offset(): number {
    return this.position?.offset ?? 0
  }

  get cursor(): string | undefined {
    return this.position && cursorOf(this.position)
  }

  /**
   * The server has accepted the link on which the client publishes from now on.
   *
   * @param from The offset at which the link began.
   */
  begin({ cursor, recovered, channels }: WelcomeMessage, from: number): void {
    const isRecovered = recovered === true
    const start = positionAt(cursor, isRecovered ? from : 0)
    const { position } = this
    // Another link may have delivered more since this one began: then the cursor of this link is older than the client's.
    const hasMore = position && position.offset > start.offset && start.offset >= from && isSameJournal(position, start)
    const begin = hasMore ? position : start
    if (!isRecovered || from === this.offset) this.position = begin
    this.#channels.welcomed(channels, this.position ?? begin, isRecovered)
  }

  /** The stream has reached this cursor. */
  reached(cursor: string): void {
    const position = positionAt(cursor, this.offset)
    if (position.offset >= this.offset) this.position = position
  }

  /** Whether this frame is new to the client. Advances the cursor. */
  isNew({ offset, cursor }: { readonly offset?: number; readonly cursor?: string }, channel?: string): boolean {
    // The server never repeats a frame without an offset.
    if (offset === undefined) return true
    const isAhead = offset > this.offset
    const isNew = this.#channels.advance(channel, offset, cursor) ?? isAhead
    if (isAhead) this.position = { offset, given: cursor ?? this.position?.given ?? '' }
    return isNew
  }
}
