/**
 * The public API of @lastcall/client.
 */
export { Client, connect, type PublishOptions } from './client.js'
export type { Clock } from './clock.js'
export type { ConnectionDetails } from './connection-details.js'
export { ClientError, type ClientErrorCode } from './errors.js'
export type {
  ClientEvents,
  ClientState,
  Closing,
  EventDetails,
  EventHandler,
  Move,
  Recovery,
  Throttled,
  Welcome,
} from './events.js'
export type { WebSocketConstructor, WebSocketLike } from './link.js'
export type {
  ChannelMessage,
  ChannelPresence,
  DirectMessage,
  Json,
  PeriodicMessage,
  PresenceMessage,
  ServerErrorCode,
  ShutdownCancelledMessage,
  ShutdownMessage,
} from './messages.js'
export type { ClientOptions, SavedState, Store } from './options.js'
export { sessionStore } from './session-store.js'
export type { MessageHandler, Subscription } from './subscription.js'
