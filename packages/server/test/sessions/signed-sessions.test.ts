/**
 * Sessions: the server accepts valid ones and rejects all others.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { equal, Sessions } from '../../src/sessions/signed-sessions.js'

describe('a session', () => {
  const sessions = new Sessions('the same everywhere')

  test('is believed for the client that it was issued for, by every instance with the same secret', () => {
    const session = sessions.issue('anna', 'first-connection')
    expect(sessions.isValid(session, 'anna')).toBe(true)
    expect(new Sessions('the same everywhere').isValid(session, 'anna')).toBe(true)
  })

  test('is not believed for anybody else, nor with another secret', () => {
    const session = sessions.issue('anna', 'id')
    expect(sessions.isValid(session, 'bob')).toBe(false)
    expect(sessions.isValid(session, 'Anna')).toBe(false)
    expect(new Sessions('another').isValid(session, 'anna')).toBe(false)
    expect(new Sessions(randomBytes(32)).isValid(session, 'anna')).toBe(false)
  })

  test('by a random secret is believed by its own process alone', () => {
    const [one, other] = [new Sessions(randomBytes(32)), new Sessions(randomBytes(32))]
    expect(one.isValid(one.issue('anna', 'id'), 'anna')).toBe(true)
    expect(other.isValid(one.issue('anna', 'id'), 'anna')).toBe(false)
  })

  test('is an id and what HMAC-SHA256 of RFC 2104 makes of it, as Node’s own has it', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 200 }),
        fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/),
        fc.uuid(),
        (secret, clientId, id) => {
          const key = createHash('sha256').update(secret).digest()
          const mac = createHmac('sha256', key).update(`${clientId}.${id}`).digest('base64url')
          const [givenId, givenMac] = new Sessions(secret).issue(clientId, id).split('.') as [string, string]
          expect(givenId).toBe(id)
          expect(mac.startsWith(givenMac)).toBe(true)
          // 128 bits at least.
          expect(givenMac.length * 6).toBeGreaterThanOrEqual(128)
        },
      ),
    )
  })

  test('with anything changed, added or missing is not believed', () => {
    const session = sessions.issue('anna', 'id')
    fc.assert(
      fc.property(fc.nat(session.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (index, character) => {
        const changed = session.slice(0, index) + character + session.slice(index + 1)
        if (changed !== session) expect(sessions.isValid(changed, 'anna')).toBe(false)
      }),
    )
    for (const wrong of [
      '',
      '.',
      'id',
      'id.',
      '.mac',
      `${session}.`,
      `${session}A`,
      `.${session}`,
      session.slice(0, -1),
    ]) {
      expect(sessions.isValid(wrong, 'anna')).toBe(false)
    }
  })

  test('the check returns an answer and never throws, for any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !sessions.isValid(text, 'anna')))
  })
})

test('secrets are equal when their bytes are', () => {
  expect([equal('a', 'a'), equal('', ''), equal('a', 'b'), equal('a', 'aa'), equal('ї', 'i')]).toEqual([
    true,
    true,
    false,
    false,
    false,
  ])
})
