/** The relay of the primary, with workers that the test controls. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { SocketHandle } from '../../src/connections/transferable.js'
import { Relay, type RelayWorker } from '../../src/handover/relay.js'

class FakeWorker implements RelayWorker {
  readonly adopted: { readonly id: number; readonly state: unknown }[] = []
  readonly outcomes: string[] = []

  adopt(id: number, state: unknown): void {
    this.adopted.push({ id, state })
  }

  handed(id: number, outcome: string): void {
    this.outcomes.push(`${String(id)} ${outcome}`)
  }

  get states(): unknown[] {
    return this.adopted.map(({ state }) => state)
  }
}

class FakeHandle implements SocketHandle {
  isClosed = false
  close(): void {
    this.isClosed = true
  }
}

let relay: Relay<FakeWorker>
let old: FakeWorker
let [one, two]: [FakeWorker, FakeWorker] = [new FakeWorker(), new FakeWorker()]
let handles: FakeHandle[]

beforeEach(() => {
  relay = new Relay()
  old = new FakeWorker()
  ;[one, two] = [new FakeWorker(), new FakeWorker()]
  handles = []
})

function hand(id: number, targets: readonly FakeWorker[] = [one]): FakeHandle {
  const handle = new FakeHandle()
  handles.push(handle)
  relay.hand(old, { id, state: `state ${String(id)}` }, handle, targets)
  return handle
}

/** The worker answers to the connection that it was sent under this index. */
const answer = (worker: FakeWorker, index: number, verdict: string): void =>
  relay.answered(worker, worker.adopted[index]?.id ?? -1, verdict)

describe('the relay', () => {
  test('passes a connection on with its state, keeps its descriptor until the answer, and reports that', () => {
    const handle = hand(7)
    expect(one.states).toEqual(['state 7'])
    expect(handle.isClosed).toBe(false)
    answer(one, 0, 'taken')
    expect(old.outcomes).toEqual(['7 taken'])
    expect(handle.isClosed).toBe(true)
  })

  test('sends a worker two connections at once, and the next ones after its answers', () => {
    for (const id of [1, 2, 3, 4]) hand(id)
    expect(one.states).toEqual(['state 1', 'state 2'])
    answer(one, 0, 'superseded')
    expect(one.states).toEqual(['state 1', 'state 2', 'state 3'])
    answer(one, 1, 'refused')
    answer(one, 2, 'taken')
    answer(one, 3, 'taken')
    expect(old.outcomes).toEqual(['1 superseded', '2 refused', '3 taken', '4 taken'])
  })

  test('chooses the worker with the fewest connections, and passes one by that does not answer', () => {
    for (const id of [1, 2, 3, 4]) hand(id, [one, two])
    expect(one.states).toEqual(['state 1', 'state 3'])
    expect(two.states).toEqual(['state 2', 'state 4'])
    answer(two, 0, 'taken')
    answer(two, 1, 'taken')
    hand(5, [one, two])
    hand(6, [one, two])
    expect(two.states).toEqual(['state 2', 'state 4', 'state 5', 'state 6'])
  })

  test('reports that the connections at a worker that ends are lost, and that those that wait for it are not', () => {
    for (const id of [1, 2, 3]) hand(id)
    relay.exited(one)
    expect(old.outcomes).toEqual(['1 lost', '2 lost', '3 refused'])
    expect(handles.every(({ isClosed }) => isClosed)).toBe(true)
    answer(one, 0, 'taken')
    expect(old.outcomes).toHaveLength(3)
  })

  test('passes on the connections of a worker that has ended', () => {
    for (const id of [1, 2, 3]) hand(id)
    relay.exited(old)
    answer(one, 0, 'taken')
    expect(one.states).toEqual(['state 1', 'state 2', 'state 3'])
  })

  test('refuses without a worker that could receive, and without a socket', () => {
    expect(hand(1, []).isClosed).toBe(true)
    relay.hand(old, { id: 2, state: '' }, undefined, [one])
    expect(old.outcomes).toEqual(['1 refused', '2 refused'])
    expect(one.adopted).toEqual([])
  })

  test('takes an answer of a later build that it does not know for lost, and the answer of another worker for none', () => {
    hand(1)
    relay.answered(two, one.adopted[0]?.id ?? -1, 'taken')
    expect(old.outcomes).toEqual([])
    answer(one, 0, 'postponed')
    expect(old.outcomes).toEqual(['1 lost'])
  })
})
