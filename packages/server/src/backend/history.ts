/** Reads the retained messages of one channel from the window, for a back end. */
import { parseCursor, type ChannelMessage } from '@lastcall/protocol'
import type { TransportEncoding } from '../connections/encoding.js'
import { LastcallError } from '../errors.js'
import type { Feed } from '../hub/feed.js'
import type { WindowEntry } from '../hub/window.js'
import { isIn, isReplayed } from '../journal/entry-kinds.js'

export interface HistoryQuery {
  /** A cursor, `EPOCH:OFFSET`, from a page or from a client: the messages after it, the oldest first. */
  readonly since?: string | undefined
  /** An offset: only messages before it. Without `since` these are the newest of them. */
  readonly before?: number | undefined
  /** The greatest number of messages, 1 to 1,000. Default: 100. */
  readonly limit?: number | undefined
}

export type HistoryMessage = Omit<ChannelMessage, 'type' | 'cursor'>

export interface HistoryPage {
  /** In the order of the journal. */
  readonly messages: readonly HistoryMessage[]
  /** The position after these messages: `since` for the next page, and for a client that subscribes from here. */
  readonly cursor: string
  /**
   * `false`: the messages after `since` are not all retained, or the journal was replaced; the page begins with the oldest
   * retained message. `null`: the query has no `since`.
   */
  readonly recovered: boolean | null
}

interface Range {
  readonly after: number
  readonly upTo: number
}

export class History {
  readonly #feed: Pick<Feed, 'window' | 'cursorAt' | 'canRecover'>
  readonly #encoding: TransportEncoding

  constructor(feed: Pick<Feed, 'window' | 'cursorAt' | 'canRecover'>, encoding: TransportEncoding) {
    this.#feed = feed
    this.#encoding = encoding
  }

  /** @throws {LastcallError} `invalid_argument`: the cursor or the offset is malformed. */
  read(channel: string, { since, before, limit }: HistoryQuery & { readonly limit: number }): HistoryPage {
    const feed = this.#feed
    const { first, head } = feed.window
    if (before !== undefined && !(Number.isSafeInteger(before) && before >= 0)) {
      throw new LastcallError('invalid_argument', 'before is an offset: a non-negative integer')
    }
    const upTo = before === undefined ? head : Math.min(head, before - 1)
    if (since === undefined) {
      const { messages } = this.#collect(channel, { after: first - 1, upTo }, { limit, isNewest: true })
      return { messages, cursor: feed.cursorAt(Math.max(upTo, 0)), recovered: null }
    }
    const cursor = parseCursor(since)
    if (!cursor) throw new LastcallError('invalid_argument', 'since is a cursor: EPOCH:OFFSET')
    const recovered = feed.canRecover(cursor)
    const after = recovered ? cursor.offset : first - 1
    const { messages, isComplete } = this.#collect(channel, { after, upTo }, { limit, isNewest: false })
    const last = messages.at(-1)?.offset ?? after
    return { messages, cursor: feed.cursorAt(isComplete ? Math.max(upTo, after) : last), recovered }
  }

  /** The oldest or the newest messages of the range. `isComplete`: the range has no more of them. */
  #collect(
    channel: string,
    { after, upTo }: Range,
    { limit, isNewest }: { readonly limit: number; readonly isNewest: boolean },
  ): { messages: HistoryMessage[]; isComplete: boolean } {
    const channels = new Set([channel])
    const messages: HistoryMessage[] = []
    const count = Math.max(0, upTo - after)
    for (let step = 0; step < count; step++) {
      const item = this.#feed.window.at(isNewest ? upTo - step : after + 1 + step)
      if (item.retryOf !== undefined || !isReplayed(item.entry) || !isIn(channels, item.entry)) continue
      if (messages.length === limit) return { messages: inOrder(messages, isNewest), isComplete: false }
      messages.push(this.#messageIn(item, channels))
    }
    return { messages: inOrder(messages, isNewest), isComplete: true }
  }

  /** The window keeps the data in the encoded frame only. */
  #messageIn({ frames }: WindowEntry, channels: ReadonlySet<string>): HistoryMessage {
    const frame = frames.forAudience('en', channels)
    const { channel, from, data, id, offset, at } = JSON.parse(this.#encoding.decode(frame)) as ChannelMessage
    return { channel, from, data, ...(id !== undefined && { id }), offset, at }
  }
}

const inOrder = (messages: HistoryMessage[], isNewestFirst: boolean): HistoryMessage[] =>
  isNewestFirst ? messages.reverse() : messages
