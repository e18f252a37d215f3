/**
 * The client repeats parts of the protocol so that it needs no other package. These tests compare both. The compiler
 * compares the types: a difference fails the build.
 */
import * as protocol from '@lastcall/protocol'
import { expect, expectTypeOf, test } from 'vitest'
import * as messages from '../src/messages.js'
import { comeBackAfter } from '../src/reconnect.js'

type Of<Union extends { readonly type: string }, Type extends string> = Extract<Union, { readonly type: Type }>

test('the client reconnects after exactly the close codes that ask for it in the protocol', () => {
  for (const code of [...Object.values(protocol.CLOSE_CODES), 1005, 1006, 4999]) {
    const asked = protocol.comeBackAfter(code)
    // The client sends its cursor after each of these codes: the server answers whether it can resume.
    expect(comeBackAfter(code), String(code)).toBe(asked === 'no-cursor' ? 'yes' : asked)
  }
})

test('the client accepts the same names as the protocol', () => {
  expect(messages.LOBBY).toBe(protocol.LOBBY)
  expect(messages.SUBPROTOCOL).toBe(protocol.SUBPROTOCOL)
})

test('the types of the client equal those of the protocol', () => {
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

test('the client declares the fields that it uses of the other messages, and knows every type of the server', () => {
  expectTypeOf<protocol.WelcomeMessage>().toExtend<messages.WelcomeMessage>()
  expectTypeOf<Of<protocol.ServerMessage, 'subscribed' | 'unsubscribed'>>().toExtend<messages.SubscribedMessage>()
  expectTypeOf<protocol.ServerMessage['type']>().toEqualTypeOf<messages.ServerMessage['type']>()
})
