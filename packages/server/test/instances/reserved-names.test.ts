import { beforeEach, describe, expect, test } from 'vitest'
import { hashOfSession } from '../../src/instances/claimed-client.js'
import { ReservedNames, type FormerClients } from '../../src/instances/reserved-names.js'
import { FakeClock } from '../support/fake-clock.js'

let clock: FakeClock
let names: ReservedNames

beforeEach(() => {
  clock = new FakeClock()
  names = new ReservedNames({ node: 'a', clock })
})

const here = (...clientIds: string[]): FormerClients['here'] =>
  new Map(clientIds.map((clientId) => [clientId, { session: `session of ${clientId}` }]))

const holders = (node: string, ...clientIds: string[]): FormerClients['holders'] =>
  new Map(clientIds.map((clientId) => [clientId, { node, sessionHash: hashOfSession(`session of ${clientId}`) }]))

const isReserved = (clientId: string): boolean =>
  names.reservationOf(clientId)?.sessionHash === hashOfSession(`session of ${clientId}`)

describe('when the journal was replaced', () => {
  test('the server reserves the names of the clients of all instances for their sessions', () => {
    names.reserve({ here: here('anna'), holders: holders('b', 'borys') })
    expect(['anna', 'borys', 'vira'].map(isReserved)).toEqual([true, true, false])
    expect(names.reservationOf('vira')).toBeUndefined()
  })

  test('a connection of this instance that was closing already reserves no name', () => {
    names.reserve({ here: here(), holders: holders('a', 'anna') })
    expect(names.reservationOf('anna')).toBeUndefined()
  })

  test('the names are free 10 s after the last close of a slow instance, which takes three times as long', () => {
    const crowd = Array.from({ length: 3000 }, (_, index) => `client-${index}`)
    names.reserve({ here: here('anna'), holders: holders('b', ...crowd) })
    clock.advance(18_999)
    expect(['anna', 'client-0', 'client-2999'].map(isReserved)).toEqual([true, true, true])
    clock.advance(1)
    expect(['anna', 'client-0', 'client-2999'].map(isReserved)).toEqual([false, false, false])
  })

  test('the name of a client that has returned is no longer reserved', () => {
    names.reserve({ here: here('anna', 'borys'), holders: new Map() })
    names.returned('anna')
    expect(['anna', 'borys'].map(isReserved)).toEqual([false, true])
  })
})

describe('when the journal is replaced again', () => {
  test('clients that have not returned since the first time keep their names', () => {
    names.reserve({ here: here('anna'), holders: new Map() })
    clock.advance(5000)
    names.reserve({ here: here('borys'), holders: new Map() })
    expect(['anna', 'borys'].map(isReserved)).toEqual([true, true])
    clock.advance(6000)
    expect(['anna', 'borys'].map(isReserved)).toEqual([false, true])
  })

  test('a client that has returned and left in between does not', () => {
    names.reserve({ here: here('anna'), holders: new Map() })
    names.returned('anna')
    names.reserve({ here: here('borys'), holders: new Map() })
    expect(names.reservationOf('anna')).toBeUndefined()
  })

  test('a client that has returned in between keeps its name', () => {
    names.reserve({ here: here('anna'), holders: new Map() })
    names.returned('anna')
    names.reserve({ here: here('anna'), holders: new Map() })
    expect(isReserved('anna')).toBe(true)
  })

  test('the server reserves the names of the last 8 epochs', () => {
    for (let epoch = 1; epoch <= 10; epoch++) names.reserve({ here: here(`client-${epoch}`), holders: new Map() })
    expect([1, 2, 3, 10].map((epoch) => isReserved(`client-${epoch}`))).toEqual([false, false, true, true])
  })
})
