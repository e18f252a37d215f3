/**
 * The public door of @lastcall/client: nothing else is public.
 */
export { Client, connect, type PublishOptions } from './client.js'
export { ClientError, type ClientErrorCode } from './errors.js'
export type { ClientEvents, ClientState, Closing, Move, Recovery } from './events.js'
export type { WebSocketConstructor, WebSocketLike } from './link.js'
export type {
  ChannelMessage,
  DirectMessage,
  Json,
  PeriodicMessage,
  PresenceMessage,
  ServerErrorCode,
  ShutdownCancelledMessage,
  ShutdownMessage,
} from './messages.js'
export type { ClientOptions, Clock, SavedState, Store } from './options.js'
export type { MessageHandler, Subscription } from './subscription.js'
