/**
 * What the client has of its own, to need no other package, is what the protocol says. The types are held by the
 * compiler: a difference fails the build.
 */
import * as protocol from '@lastcall/protocol'
import { expect, expectTypeOf, test } from 'vitest'
import * as messages from '../src/messages.js'
import { comeBackAfter } from '../src/reconnect.js'

type Of<Union extends { readonly type: string }, Type extends string> = Extract<Union, { readonly type: Type }>

test('it comes back after the codes after which the protocol asks for it', () => {
  for (const code of [...Object.values(protocol.CLOSE_CODES), 1005, 1006, 4999]) {
    const asked = protocol.comeBackAfter(code)
    // With the cursor, since it costs nothing: the server says whether it still reaches so far.
    expect(comeBackAfter(code), String(code)).toBe(asked === 'no-cursor' ? 'yes' : asked)
  }
})

test('its names are the protocol’s', () => {
  expect(messages.LOBBY).toBe(protocol.LOBBY)
  expect(messages.SUBPROTOCOL).toBe(protocol.SUBPROTOCOL)
})

test('its types are the protocol’s', () => {
  expectTypeOf<messages.Json>().toEqualTypeOf<protocol.Json>()
  expectTypeOf<messages.ServerErrorCode>().toEqualTypeOf<protocol.ErrorCode>()
  expectTypeOf<messages.ChannelMessage>().toEqualTypeOf<protocol.ChannelMessage>()
  expectTypeOf<messages.DirectMessage>().toEqualTypeOf<protocol.DirectMessage>()
  expectTypeOf<messages.AckMessage>().toEqualTypeOf<protocol.AckMessage>()
  expectTypeOf<messages.PresenceMessage>().toEqualTypeOf<protocol.PresenceMessage>()
  expectTypeOf<messages.PeriodicMessage>().toEqualTypeOf<protocol.PeriodicMessage>()
  expectTypeOf<messages.ShutdownMessage>().toEqualTypeOf<protocol.ShutdownMessage>()
  expectTypeOf<messages.ShutdownCancelledMessage>().toEqualTypeOf<protocol.ShutdownCancelledMessage>()
  expectTypeOf<messages.ErrorMessage>().toEqualTypeOf<protocol.ErrorMessage>()
  expectTypeOf<Readonly<Record<string, messages.ChannelPresence>>>().toEqualTypeOf<protocol.PresenceSnapshot>()
  expectTypeOf<messages.PongMessage>().toEqualTypeOf<protocol.PongMessage>()
})

test('of the others it declares what it uses, and the server says no more types than it knows', () => {
  expectTypeOf<protocol.WelcomeMessage>().toExtend<messages.WelcomeMessage>()
  expectTypeOf<Of<protocol.ServerMessage, 'subscribed' | 'unsubscribed'>>().toExtend<messages.SubscribedMessage>()
  expectTypeOf<protocol.ServerMessage['type']>().toEqualTypeOf<messages.ServerMessage['type']>()
})
