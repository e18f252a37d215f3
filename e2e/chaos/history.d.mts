/**
 * The events of a history. `at` is in milliseconds since it began, to the hundredth. A connection is one WebSocket of one client.
 */

import type { PresenceChange } from '@lastcall/protocol'

type Of<Type extends string, Fields> = { readonly type: Type; readonly at: number } & Readonly<Fields>

export type HistoryEvent =
  // ——— what clients want, and how it ended
  | Of<'client', { client: string; kind: 'library' | 'plain' | 'reader' }>
  /** It wants to hear a channel from now on, or no longer. The channels of its first handshake are not mentioned. */
  | Of<'wants' | 'done-with', { client: string; channel: string }>
  /** The application says something, to a channel or to a client. */
  | Of<'publish', { client: string; id: string; channel?: string; to?: string; digest: string }>
  /** The application is told that it is in the journal. */
  | Of<'settled', { client: string; id: string; offset: number }>
  /** The application is told that it won't be, or that nobody knows. */
  | Of<'rejected', { client: string; id: string; code: string }>
  /** The application is given something: only of clients by the library. */
  | Of<'delivered', { client: string; kind: 'message' | 'direct' | 'presence'; channel?: string; offset: number }>
  /** The application is told that something may be missing: only of clients by the library. */
  | Of<'missed', { client: string; channels: readonly string[] }>
  /** What else the application is told: that its client has come back, is connected or not, is served by another instance. */
  | Of<'returned', { client: string; recovered: boolean }>
  | Of<'state', { client: string; state: string }>
  | Of<'moved', { client: string; from: string; to: string }>

  // ——— what connections say and are told
  | Of<'connect', { client: string; connection: string; cursor?: string; channels: readonly string[] }>
  | Of<
      'welcome',
      { connection: string; cursor: string; recovered: boolean | null; channels: readonly string[]; node: string }
    >
  | Of<
      'message',
      { connection: string; channel: string; from: string; id?: string; offset: number; digest: string; saidAt: string }
    >
  | Of<'direct', { connection: string; from: string; id?: string; offset: number; digest: string; saidAt: string }>
  | Of<
      'presence',
      {
        connection: string
        offset: number
        changes: readonly PresenceChange[]
      }
    >
  | Of<'ack', { connection: string; id?: string; offset: number }>
  | Of<'pong', { connection: string; offset: number }>
  | Of<'send', { connection: string; id: string }>
  | Of<
      'subscribe' | 'unsubscribe',
      { connection: string; request: string; channels: readonly string[]; since?: string }
    >
  | Of<
      'subscribed' | 'unsubscribed',
      { connection: string; request: string; channels: readonly string[]; cursor: string; recovered: boolean | null }
    >
  | Of<'refused', { connection: string; id?: string; code: string }>
  | Of<'closed', { connection: string; code: number }>
  /** The client does not listen to it any more. */
  | Of<'given-up', { connection: string }>

  // ——— the rest
  /** The first one: Date.now() beside `at`. */
  | Of<'begin', { wallMs: number }>
  | Of<'server', { instance: string; what: 'started' | 'killed' | 'stopped' | 'fault'; text?: string }>
  /**
   * `lost`: what the broker had confirmed is gone: everything behind this place, or, without a place, everything. Until
   * then nobody had read anything of what follows there; every server may be connected again from the next `joined` on.
   */
  | Of<'broker', { what: 'lost' | 'joined'; epoch?: string; offset?: number; text: string }>
  /** What the run waited for did not come. */
  | Of<'stuck', { text: string }>

/** What the servers had promised in this run. */
export interface Terms {
  /** HISTORY_SIZE. */
  readonly historySize: number
  /** HISTORY_TTL in milliseconds. */
  readonly historyTtlMs: number
  readonly instances: number
  readonly presence: boolean
  /** The journal is on another machine, which fails. */
  readonly isRemote?: boolean
  /** The run has come to its end, everybody has been connected and caught up: nothing may be open. */
  readonly complete: boolean
}

export interface HistoryFile {
  readonly terms: Terms
  readonly events: readonly HistoryEvent[]
}

export class History {
  readonly events: HistoryEvent[]
  /** Milliseconds since it began, as in `at`. */
  now(): number
  readonly head: { readonly epoch: string; readonly offset: number }
  readonly beginning: number
  isAtHead(client: string): boolean
  record(type: HistoryEvent['type'], fields: object): void
  count(type: HistoryEvent['type']): number
}

/** What one frame tells a connection, as an event; `undefined`: nothing that is checked. */
export function eventOf(message: object): readonly [HistoryEvent['type'], object] | undefined

/** What is compared in place of the data. */
export function digestOf(data: unknown): string
