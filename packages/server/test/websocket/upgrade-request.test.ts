/** How the server reads an HTTP request with an `Upgrade` field. */
import { expect, test } from 'vitest'
import { asksForWebSocket, faultOf, isBelow, originForm } from '../../src/websocket/upgrade-request.js'

test.each([
  ['websocket', true],
  ['WebSocket', true],
  ['h2c, websocket', true],
  ['h2c', false],
  ['websockets', false],
  ['', false],
  [undefined, false],
])('Upgrade: %s asks for a WebSocket: %s', (upgrade, expected) => {
  expect(asksForWebSocket(upgrade === undefined ? {} : { upgrade })).toBe(expected)
})

test.each([
  ['/ws/a?b=c', '/ws/a?b=c'],
  ['http://example.org/ws/a?b=c', '/ws/a?b=c'],
  ['wss://example.org:8443/ws', '/ws'],
  ['HTTP://example.org', '/'],
  ['http://example.org?x=/ws', '/?x=/ws'],
  ['*', '*'],
  ['', ''],
])('the target %j is %j in origin form', (target, expected) => {
  expect(originForm(target)).toBe(expected)
})

test.each([
  ['/ws', true],
  ['/ws/', true],
  ['/ws/a', true],
  ['/ws?a', true],
  ['/wss', false],
  ['/w', false],
  ['/WS', false],
])('%s is below /ws: %s', (target, expected) => {
  expect(isBelow('/ws', target)).toBe(expected)
})

test.each([
  [1, 1, ['Host', 'a'], true],
  [1, 0, ['Host', 'a'], false],
  [1, 1, [], false],
  [1, 1, ['Host', 'a', 'hOST', 'b'], false],
  [1, 1, ['X', 'Host'], false],
])('HTTP/%d.%d with %j is a sound handshake: %s', (httpVersionMajor, httpVersionMinor, rawHeaders, isSound) => {
  expect(faultOf({ httpVersionMajor, httpVersionMinor, rawHeaders }) === undefined).toBe(isSound)
})
