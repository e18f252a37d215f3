/**
 * How far the client has received: the position that it resumes from, and which frames are new to it. Channels that were
 * subscribed to on the way have positions of their own (channels.ts).
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
   * The server has let in the link on which the client publishes from now on.
   *
   * @param from The offset from which the link set out.
   */
  begin({ cursor, recovered, channels }: WelcomeMessage, from: number): void {
    const isRecovered = recovered === true
    const start = positionAt(cursor, isRecovered ? from : 0)
    const { position } = this
    // Another link may have delivered more since this one set out: its own cursor is older than the client's then.
    const hasMore = position && position.offset > start.offset && start.offset >= from && isSameJournal(position, start)
    const begin = hasMore ? position : start
    if (!isRecovered || from === this.offset) this.position = begin
    this.#channels.welcomed(channels, this.position ?? begin, isRecovered)
  }

  /** The stream has got as far as this cursor. */
  reached(cursor: string): void {
    const position = positionAt(cursor, this.offset)
    if (position.offset >= this.offset) this.position = position
  }

  /** Whether the client has not received this frame before; the cursor moves with it. */
  isNew({ offset, cursor }: { readonly offset?: number; readonly cursor?: string }, channel?: string): boolean {
    // A frame without a place in the journal is never repeated.
    if (offset === undefined) return true
    const isAhead = offset > this.offset
    const isNew = this.#channels.advance(channel, offset, cursor) ?? isAhead
    if (isAhead) this.position = { offset, given: cursor ?? this.position?.given ?? '' }
    return isNew
  }
}
