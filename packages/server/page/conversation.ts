/**
 * The conversation of one guest: a client of @lastcall/client, and the status of each message that the guest wrote. The client
 * connects, reconnects, resumes and migrates by itself. This file does not depend on the page.
 */
import {
  ClientError,
  connect,
  sessionStore,
  type Client,
  type ClientEvents,
  type ConnectionDetails,
} from '@lastcall/client'
import type { Ending } from './texts.js'

/** The item in sessionStorage with which the client resumes after a reload. */
const STORE_KEY = 'lastcall.client'

/** The limit of messages that wait for an ack at the same time. */
const MAX_UNACKNOWLEDGED = 50

/**
 * `idle`: the guest is not here. `waiting`: for the next attempt to connect. `ended`: the server has closed the client for
 * good, and only a person can begin again.
 */
export type ConversationState = 'idle' | 'connecting' | 'online' | 'waiting' | 'ended'

export type StateNews =
  | { readonly state: 'idle' | 'connecting' | 'online' }
  | ({ readonly state: 'waiting'; readonly retryInMs: number } & Ending)
  | ({ readonly state: 'ended' } & Ending)

/**
 * `queued`: the message waits for a connection. `delayed`: the server takes no messages for now. `unsure`: nobody can say
 * whether the server took it, and the guest may send it again.
 */
export type MessageNews =
  | { readonly status: 'queued' | 'sent' | 'delayed' | 'unsure' }
  | { readonly status: 'journaled'; readonly offset: number }
  | { readonly status: 'refused'; readonly code: string; readonly reason: string }

/** The events that the page shows. */
export type ShownEvents = Pick<
  ClientEvents,
  'welcome' | 'message' | 'direct' | 'presence' | 'periodic' | 'shutdown' | 'shutdownCancelled' | 'move' | 'throttled'
>

export interface ConversationListener {
  readonly shown: { readonly [Event in keyof ShownEvents]: (payload: ShownEvents[Event]) => void }
  readonly onState: (news: StateNews) => void
  readonly onMessage: (id: string, news: MessageNews) => void
  /** The server refused a request that is no message of this guest. */
  readonly onError: (error: ClientError) => void
}

export interface Guest {
  readonly name: string
  readonly token?: string | undefined
}

interface Message {
  readonly data: string
  readonly to: string | undefined
  status: MessageNews['status']
}

export class Conversation {
  readonly #listener: ConversationListener
  readonly #url: URL
  #guest: Guest | undefined
  #client: Client | undefined
  #state: ConversationState = 'idle'
  #attemptTimer: number | undefined
  #delayTimer: number | undefined
  /** The messages without an acknowledgement, by id, in the order in which the guest wrote them. */
  readonly #messages = new Map<string, Message>()

  /** @param page The address of the page: the endpoint is `ws` below it. */
  constructor(listener: ConversationListener, page: string) {
    this.#listener = listener
    this.#url = new URL('ws', page)
  }

  start(guest: Guest): void {
    this.#drop()
    this.#messages.clear()
    this.#guest = guest
    this.#connect(guest)
  }

  /** Closes the client for good. A guest who enters this name again is a new client. */
  stop(): void {
    this.#drop()
    this.#messages.clear()
    forget(STORE_KEY)
    this.#become({ state: 'idle' })
  }

  /** Connects at once instead of waiting for the next attempt, or creates a new client if the server has closed this one. */
  retryNow(): void {
    if (this.#state === 'waiting') {
      this.#become({ state: 'connecting' })
      this.#client?.reconnectNow()
    } else if (this.#state === 'ended' && this.#guest) {
      this.#drop()
      this.#connect(this.#guest)
    }
  }

  /** Adds a message to all guests, or to one, for `send`. @returns its id; `undefined`: too many messages wait already. */
  add(data: string, to: string | undefined): string | undefined {
    if (this.#messages.size >= MAX_UNACKNOWLEDGED) return undefined
    const id = randomId()
    this.#messages.set(id, { data, to, status: 'queued' })
    return id
  }

  /** Publishes a message that `add` has added, or publishes one with an unknown outcome again. */
  send(id: string): void {
    const message = this.#messages.get(id)
    const client = this.#client
    if (!message || !client) return
    this.#mark(id, message, { status: this.#sendingStatus })
    const { data, to } = message
    const sent = to === undefined ? client.publish(data, { id }) : client.direct(to, data, { id })
    sent.then(
      (offset) => this.#settled(id, message, { status: 'journaled', offset }),
      (error: unknown) => this.#rejected(id, message, error),
    )
  }

  get #sendingStatus(): 'queued' | 'sent' | 'delayed' {
    if (this.#state !== 'online') return 'queued'
    return this.#delayTimer === undefined ? 'sent' : 'delayed'
  }

  #connect({ name, token }: Guest): void {
    const client = connect(this.#url, {
      clientId: name,
      token,
      store: sessionStore(STORE_KEY),
      maxQueue: MAX_UNACKNOWLEDGED,
    })
    this.#client = client
    /** A replaced client may still emit events. */
    const on = <Event extends keyof ClientEvents>(
      event: Event,
      handler: (payload: ClientEvents[Event], details: ConnectionDetails | undefined) => void,
    ): void => {
      client.on(event, (payload, details) => {
        if (client === this.#client) handler(payload, details)
      })
    }
    let wasOpen = false
    on('state', (state, details) => {
      if (state === 'open') {
        wasOpen = true
        this.#online()
      } else if (state === 'reconnecting') this.#lost(details, true)
    })
    on('close', ({ code, reason }) => this.#become({ state: 'ended', code, reason, wasOpen }))
    on('error', (error) => {
      if (error.code === 'connect_failed') this.#lost(error.details, false)
      // Without storage the guest is a new client after a reload, which is the only loss.
      else if (error.code !== 'store_failed') this.#listener.onError(error)
    })
    on('throttled', ({ retryInMs }) => this.#throttled(retryInMs))
    const { shown } = this.#listener
    on('throttled', shown.throttled)
    on('welcome', shown.welcome)
    on('message', shown.message)
    on('direct', shown.direct)
    on('presence', shown.presence)
    on('periodic', shown.periodic)
    on('shutdown', shown.shutdown)
    on('shutdownCancelled', shown.shutdownCancelled)
    on('move', shown.move)
    this.#become({ state: 'connecting' })
    for (const [id, { status }] of this.#messages) if (status === 'queued') this.send(id)
  }

  #online(): void {
    this.#endDelay()
    this.#become({ state: 'online' })
    this.#markAll('queued', 'sent')
  }

  #lost(details: ConnectionDetails | undefined, wasOpen: boolean): void {
    const { code = 1006, reason = '', nextAttemptInMs } = details ?? {}
    // The attempt that is under way is that of a migration.
    if (nextAttemptInMs === undefined) return this.#become({ state: 'connecting' })
    this.#become({ state: 'waiting', code, reason, wasOpen, retryInMs: nextAttemptInMs })
    this.#attemptTimer = setTimeout(() => this.#become({ state: 'connecting' }), nextAttemptInMs)
  }

  #throttled(retryInMs: number): void {
    this.#endDelay()
    this.#delayTimer = setTimeout(() => {
      this.#endDelay()
      this.#markAll('delayed', 'sent')
    }, retryInMs)
    this.#markAll('sent', 'delayed')
  }

  #endDelay(): void {
    clearTimeout(this.#delayTimer)
    this.#delayTimer = undefined
  }

  #rejected(id: string, message: Message, error: unknown): void {
    if (!(error instanceof ClientError)) throw error
    // The next client publishes the messages that the closed one did not.
    if (error.code === 'closed') this.#news(id, message, { status: 'queued' })
    else if (error.code === 'outcome_unknown') this.#news(id, message, { status: 'unsure' })
    else this.#settled(id, message, { status: 'refused', code: error.code, reason: error.message })
  }

  #settled(id: string, message: Message, news: MessageNews): void {
    this.#news(id, message, news)
    if (this.#messages.get(id) === message) this.#messages.delete(id)
  }

  /** A new status of a message, which may belong to an earlier conversation. */
  #news(id: string, message: Message, news: MessageNews): void {
    if (this.#messages.get(id) === message) this.#mark(id, message, news)
  }

  #mark(id: string, message: Message, news: MessageNews): void {
    message.status = news.status
    this.#listener.onMessage(id, news)
  }

  #markAll(from: MessageNews['status'], status: 'sent' | 'delayed'): void {
    for (const [id, message] of this.#messages) if (message.status === from) this.#mark(id, message, { status })
  }

  #drop(): void {
    const client = this.#client
    this.#client = undefined
    clearTimeout(this.#attemptTimer)
    this.#endDelay()
    client?.close()
  }

  #become(news: StateNews): void {
    clearTimeout(this.#attemptTimer)
    this.#state = news.state
    this.#listener.onState(news)
  }
}

/** `crypto.randomUUID` exists only on https and localhost; this works on a phone in the same network, too. */
const randomId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')

function forget(key: string): void {
  try {
    sessionStorage.removeItem(key)
  } catch {
    // The browser allows this page no storage, so it contains no item.
  }
}
