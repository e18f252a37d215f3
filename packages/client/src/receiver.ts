/**
 * Handles the frames of a link, except those that concern the link itself: passes new ones to the application, and settles acks
 * and requests.
 */
import type { Channels } from './channels.js'
import type { Effects } from './effects.js'
import type { LinkState } from './link-state.js'
import type { ClosingMessage, RejectedMessage, ServerMessage, WelcomeMessage } from './messages.js'
import type { Progress } from './progress.js'
import type { Sender } from './sender.js'

/** The frames of an accepted link. */
export type StreamMessage = Exclude<ServerMessage, WelcomeMessage | RejectedMessage | ClosingMessage>

type PassedOn = Extract<StreamMessage, { type: 'message' | 'presence' | 'direct' | 'periodic' }>

export class Receiver {
  readonly #progress: Progress
  readonly #channels: Channels
  readonly #sender: Sender
  readonly #effects: Effects

  constructor(progress: Progress, channels: Channels, sender: Sender, effects: Effects) {
    this.#progress = progress
    this.#channels = channels
    this.#sender = sender
    this.#effects = effects
  }

  take(link: LinkState, message: StreamMessage, nowMs: number): void {
    switch (message.type) {
      case 'message':
        if (this.#progress.isNew(message, message.channel) && this.#channels.hears(message.channel)) this.#pass(message)
        break
      case 'direct':
      case 'presence':
        if (this.#progress.isNew(message)) this.#pass(message)
        break
      case 'periodic':
        this.#pass(message)
        break
      case 'ack':
        this.#progress.isNew(message)
        this.#sender.acked(message.id, message.offset)
        break
      case 'pong':
        this.#progress.isNew(message)
        break
      case 'subscribed': {
        const { cursor, id, recovered, channels } = message
        this.#progress.reached(cursor)
        this.#channels.answered(this.#channels.channelOf(id), true)
        if (recovered === false) this.#effects.emit('recovered', { recovered, channels })
        break
      }
      case 'unsubscribed':
        this.#channels.answered(this.#channels.channelOf(message.id), false)
        break
      case 'error':
        this.#sender.refused(link, message, nowMs)
        break
      case 'shutdown':
      case 'shutdownCancelled':
        // core.ts handles these, because they concern the link.
        break
    }
  }

  /** The application gets the frame unchanged. */
  #pass(message: PassedOn): void {
    this.#effects.emit(message.type, message)
  }
}
