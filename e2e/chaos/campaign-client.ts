/** The actions that a campaign requests of a client, whether the client uses the library or not. */
import type { History } from './history.js'
import type { Random } from './random.js'

/** Where a client publishes: to a channel or to another client. */
export type Destination =
  { readonly channel: string; readonly to?: undefined } | { readonly to: string; readonly channel?: undefined }

export interface CampaignClientOptions {
  readonly name: string
  /** The endpoint of the next connection. */
  readonly endpoint: () => string
  /** Besides the lobby; the channels that it subscribes to. */
  readonly channels: readonly string[]
  /** The channels that it publishes to; default: those that it subscribes to. */
  readonly speaksIn?: readonly string[] | undefined
  /** The channel that it leaves and joins again now and then. */
  readonly toggles?: string | undefined
  readonly history: History
  readonly random: Random
  /** The client gives up a connection that is silent for so long. */
  readonly patienceMs: number
  readonly token?: (() => string) | undefined
}

export interface CampaignClient {
  readonly name: string
  readonly speaksIn: readonly string[]
  readonly toggles: string | undefined
  readonly start: () => void
  readonly stop: () => void
  readonly publish: (where: Destination, data: unknown) => void
  /** Disconnects for a while: with a close frame, or without. */
  readonly leave: (forMs: number, isPolite: boolean) => void
  /** Opens a second connection beside the first one. */
  readonly takeOver: () => void
  readonly stopReading: (forMs: number) => void
  /** Unsubscribes from a channel. */
  readonly part: (channel: string) => void
  readonly join: (channel: string) => void
  readonly absentChannels: readonly string[]
  /**
   * Whether it is connected, has received everything up to this offset, and has an answer to each of its messages.
   *
   * @param epoch Of the head, where there may be several.
   */
  readonly isDone: (head: number, epoch?: string) => boolean
  /** Its state, for the report of a run that does not end. */
  readonly report: string
}
