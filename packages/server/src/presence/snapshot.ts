/**
 * The presence snapshot of a connection, as JSON text: the clients that are in its channels now. The text of each
 * channel is kept until the channel's members change, because a storm of clients asks for the same channels.
 */
import { MAX_NAMES_PER_FRAME } from '../hub/presence-changes.js'
import type { Membership } from './membership.js'

export interface SnapshotsOptions {
  readonly membership: Pick<Membership, 'countIn' | 'has' | 'namesIn'>
  /** The number of clients that a snapshot names per channel (PRESENCE_LIST_LIMIT). */
  readonly listLimit: number
}

interface Listed {
  /** `{"clientId":"anna"},{"clientId":"borys"}` */
  readonly text: string
  readonly names: number
  readonly count: number
}

export class Snapshots {
  readonly #options: SnapshotsOptions
  readonly #listed = new Map<string, Listed>()

  constructor(options: SnapshotsOptions) {
    this.#options = options
  }

  /** Forgets the text of this channel, because its members have changed. */
  invalidate(channel: string): void {
    this.#listed.delete(channel)
  }

  clear(): void {
    this.#listed.clear()
  }

  /**
   * `{"lobby":{"clients":[{"clientId":"anna"}],"count":1}}` for these channels. It always contains the receiving
   * client, even before the server has read back the client's own join.
   */
  textFor(clientId: string, channels: Iterable<string>): string {
    const { membership, listLimit } = this.#options
    const own = `{"clientId":"${clientId}"}`
    const parts: string[] = []
    let left = MAX_NAMES_PER_FRAME
    for (const channel of channels) {
      const { text, names, count } = this.#list(channel)
      const isMissing = !membership.has(channel, clientId)
      const isNamed = names <= left
      const clients = !isNamed ? '' : isMissing && listLimit > 0 ? (text === '' ? own : `${own},${text}`) : text
      if (isNamed) left -= names
      parts.push(`"${channel}":{"clients":[${clients}],"count":${count + Number(isMissing)}}`)
    }
    return `{${parts.join(',')}}`
  }

  #list(channel: string): Listed {
    let listed = this.#listed.get(channel)
    if (!listed) {
      const { membership, listLimit } = this.#options
      const names = [...membership.namesIn(channel, listLimit)]
      const text = names.map((name) => `{"clientId":"${name}"}`).join(',')
      listed = { text, names: names.length, count: membership.countIn(channel) }
      if (listed.count > 0) this.#listed.set(channel, listed)
    }
    return listed
  }
}

/** Adds a snapshot to the JSON text of a frame, as the field `presence`. */
export const withPresence = (frame: string, snapshot: string | undefined): string =>
  snapshot === undefined ? frame : `${frame.slice(0, -1)},"presence":${snapshot}}`
