/**
 * What a back end does with a running server: it publishes, reads the history, and asks who is present. Everything that it
 * publishes goes through the journal, so all instances deliver it in the one order.
 */
import { isChannel, isClientId, isMessageId } from '@lastcall/protocol'
import { LastcallError } from '../errors.js'
import type { Publishing } from '../hub/publishing.js'
import type { ClusterState } from '../instances/cluster-state.js'
import { jsonOf } from './data.js'
import type { History, HistoryPage, HistoryQuery } from './history.js'

/** Options of a message. */
export interface PublishOptions {
  /**
   * An idempotency key of 1 to 64 characters. While the first message with this key is retained, a second one is not
   * delivered, and resolves with the offset of the first. The keys of clients are separate from those of back ends.
   */
  readonly id?: string | undefined
  /** The sender that clients see, a valid clientId. Default: `server`. */
  readonly from?: string | undefined
}

/** The clients in a channel, over all instances. */
export interface ChannelPresence {
  /** The client that joined first is first. At most `limit` of them. */
  readonly clients: readonly { readonly clientId: string }[]
  /** The number of all clients in the channel. */
  readonly count: number
}

/** The default number of messages or clients in an answer. */
const DEFAULT_LIMIT = 100

/** The greatest number of messages in an answer. */
const MAX_MESSAGES = 1000

export interface BackendOptions {
  readonly publishing: Pick<Publishing, 'publishForApplication'>
  readonly history: History
  readonly cluster: Pick<ClusterState, 'membersOf'>
}

/** The methods of the server for back ends; each of them checks its arguments. */
export interface BackendMethods {
  /**
   * Publishes a message to a channel. Resolves with its offset when it is as durable as the journal promises and this
   * instance has delivered it. No rate limit applies, and `onMessage` is not called.
   *
   * @param data Any value that JSON can represent without a loss.
   * @throws {LastcallError} `invalid_argument`; `entry_too_large`; `journal_unavailable` (temporary): the outcome is
   *   unknown, and a call with the same `id` is safe; `wrong_state`: the server is closed.
   */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<number>
  /**
   * Publishes a message to one client, on whichever instance it is. Resolves as `publish` does, whether the client is
   * connected or not: it receives the message when it resumes within the retained history.
   */
  direct(clientId: string, data: unknown, options?: PublishOptions): Promise<number>
  /**
   * The retained messages of a channel, in order: the newest `limit` ones, those before an offset, or those after a cursor.
   *
   * @throws {LastcallError} `invalid_argument`.
   */
  history(channel: string, query?: HistoryQuery): HistoryPage
  /**
   * The clients in a channel on all instances. A client appears once the journal has its join, which takes up to
   * PRESENCE_INTERVAL.
   *
   * @param options `limit`: the number of clients to name. Default: 100.
   * @throws {LastcallError} `invalid_argument`; `wrong_state`: presence is off (PRESENCE_INTERVAL=0).
   */
  presence(channel: string, options?: { readonly limit?: number }): ChannelPresence
}

export function createBackend({ publishing, history, cluster }: BackendOptions): BackendMethods {
  return {
    async publish(channel, data, options) {
      const checked = { channel: channelFrom(channel), ...authorFrom(options), data: jsonOf(data) }
      return publishing.publishForApplication({ kind: 'message', ...checked })
    },
    async direct(clientId, data, options) {
      const checked = { to: clientIdFrom(clientId, 'the recipient'), ...authorFrom(options), data: jsonOf(data) }
      return publishing.publishForApplication({ kind: 'direct', ...checked })
    },
    history: (channel, { limit, ...query } = {}) =>
      history.read(channelFrom(channel), { ...query, limit: countFrom(limit, MAX_MESSAGES) }),
    presence(channel, { limit } = {}) {
      const members = cluster.membersOf(channelFrom(channel), countFrom(limit, Number.MAX_SAFE_INTEGER))
      if (!members) throw new LastcallError('wrong_state', 'presence is off: set PRESENCE_INTERVAL')
      return { clients: members.names.map((clientId) => ({ clientId })), count: members.count }
    },
  }
}

function authorFrom({ id, from = 'server' }: PublishOptions = {}): { from: string; id?: string } {
  if (id !== undefined && !isMessageId(id)) throw invalid('an id is a string of 1 to 64 characters')
  return { from: clientIdFrom(from, 'from'), ...(id !== undefined && { id }) }
}

function channelFrom(channel: unknown): string {
  if (isChannel(channel)) return channel
  throw invalid('a channel is a string of 1 to 64 of the characters a-z A-Z 0-9 _ . : -')
}

function clientIdFrom(clientId: unknown, what: string): string {
  if (isClientId(clientId)) return clientId
  throw invalid(`${what} is a clientId: a string of 1 to 64 of the characters a-z A-Z 0-9 _ -`)
}

function countFrom(limit: unknown = DEFAULT_LIMIT, max: number): number {
  if (Number.isSafeInteger(limit) && Number(limit) >= 1 && Number(limit) <= max) return Number(limit)
  throw invalid(`limit is an integer from 1 to ${max}`)
}

const invalid = (problem: string): LastcallError => new LastcallError('invalid_argument', problem)
