/**
 * Which workers the primary starts, replaces, drains and hurries, with a clock that the test advances and processes
 * that the test controls.
 */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Address } from '../../src/http/listen.js'
import type { LogFields, Logger } from '../../src/observability/log.js'
import { Generations } from '../../src/workers/generations.js'
import type { ToWorker, WorkerIdentity } from '../../src/workers/messages.js'
import type { WorkerExit, WorkerListener, WorkerProcess } from '../../src/workers/worker-process.js'
import { FakeClock } from '../support/fake-clock.js'

const ADDRESS: Address = { host: 'h', port: 1, httpUrl: 'http://h:1/', webSocketUrl: 'ws://h:1/ws' }
const CRASH: WorkerExit = { code: 1, signal: null, complaint: '' }
const FINE: WorkerExit = { code: 0, signal: null, complaint: '' }

class FakeWorker implements WorkerProcess {
  static lastPid = 0
  readonly pid = ++FakeWorker.lastPid
  readonly told: ToWorker['kind'][] = []
  readonly identity: WorkerIdentity
  readonly listener: WorkerListener
  wasKilled = false
  constructor(identity: WorkerIdentity, listener: WorkerListener) {
    this.identity = identity
    this.listener = listener
  }
  get name(): string {
    return `${String(this.identity.generation)}.${String(this.identity.worker)}`
  }
  send({ kind }: ToWorker): void {
    this.told.push(kind)
  }
  kill(): void {
    this.wasKilled = true
  }
  /** Reads its configuration and listens. */
  up(workers: number): void {
    this.listener.onHello(workers)
    this.listener.onReady(ADDRESS)
  }
  /** Reads its configuration and its journal, and waits. */
  prepared(workers: number): void {
    this.listener.onHello(workers)
    this.listener.onPrepared()
  }
  end(exit: WorkerExit = FINE): void {
    this.listener.onExit(exit)
  }
}

let clock: FakeClock
let started: FakeWorker[]
let happened: string[]
/** Which generations were started. */
let begun: number[]
let lines: { readonly event: string; readonly fields: LogFields }[]
let generations: Generations<FakeWorker>

beforeEach(() => {
  clock = new FakeClock()
  started = []
  happened = []
  begun = []
  lines = []
  const line = (event: string, fields: LogFields | string): void => {
    lines.push({ event, fields: typeof fields === 'string' ? {} : fields })
  }
  const log = { debug: line, info: line, warn: line, error: line } as unknown as Logger
  generations = new Generations<FakeWorker>({
    start(identity, listener) {
      const worker = new FakeWorker(identity, listener)
      started.push(worker)
      return worker
    },
    onStarting: (generation) => begun.push(generation),
    onServing: (_, generation) => happened.push(`serving ${String(generation)}`),
    onNeverServed: ({ code }) => happened.push(`never served: ${String(code)}`),
    onReloadFailed: () => happened.push('reload failed'),
    onExit: ({ process }, isCrash) => {
      if (isCrash) happened.push(`crashed ${process.name}`)
    },
    onGenerationGone: (generation) => happened.push(`gone ${String(generation)}`),
    onNobodyLeft: () => happened.push('nobody left'),
    clock,
    log,
  })
})

/** The newest process of this name. */
function worker(name: string): FakeWorker {
  const found = started.findLast((each) => each.name === name)
  if (!found) throw new Error(`${name} was not started, but ${started.map((each) => each.name).join()}`)
  return found
}

const names = (): string[] => started.map(({ name }) => name)
const alive = (): string[] => [...generations.members()].map(({ process }) => process.name)
const logged = (event: string): LogFields[] => lines.filter((each) => each.event === event).map(({ fields }) => fields)

function serve(workers = 2): void {
  generations.begin()
  const id = started.at(-1)?.identity.generation ?? 0
  for (let number = 1; number <= workers; number++) worker(`${String(id)}.${String(number)}`).up(workers)
}

function reload(workers = 2): void {
  generations.reload()
  const id = started.at(-1)?.identity.generation ?? 0
  for (let number = 1; number <= workers; number++) worker(`${String(id)}.${String(number)}`).up(workers)
}

describe('at start', () => {
  test('one worker starts first, and reports the number of workers', () => {
    generations.begin()
    expect(names()).toEqual(['1.1'])
    worker('1.1').up(3)
    expect(names()).toEqual(['1.1', '1.2', '1.3'])
    worker('1.3').up(3)
    expect(happened).toEqual([])
    worker('1.2').up(3)
    expect(happened).toEqual(['serving 1'])
    expect(generations.serving).toBe(1)
  })

  test('no worker listens before all are prepared', () => {
    generations.begin()
    worker('1.1').prepared(3)
    expect(names()).toEqual(['1.1', '1.2', '1.3'])
    worker('1.3').prepared(3)
    clock.advance(59_999)
    expect(started.flatMap(({ told }) => told)).toEqual([])
    worker('1.2').prepared(3)
    expect(started.map(({ told }) => told)).toEqual([['listen'], ['listen'], ['listen']])
    for (const each of started) each.listener.onReady(ADDRESS)
    expect(happened).toEqual(['serving 1'])
  })

  test('the primary ends a worker that does not listen when asked', () => {
    generations.begin()
    worker('1.1').prepared(1)
    clock.advance(60_000)
    expect(worker('1.1').wasKilled).toBe(true)
  })

  test('a worker of an older build, which listens unasked, lets the prepared ones listen, too', () => {
    generations.begin()
    worker('1.1').prepared(2)
    worker('1.2').up(2)
    expect(worker('1.1').told).toEqual(['listen'])
    worker('1.1').listener.onReady(ADDRESS)
    expect(happened).toEqual(['serving 1'])
  })

  test('a worker that replaces another one listens when it is prepared', () => {
    serve()
    worker('1.2').end(CRASH)
    worker('1.2').prepared(2)
    expect(worker('1.2').told).toEqual(['listen'])
  })

  test('a worker that cannot start ends the primary with its exit code', () => {
    generations.begin()
    worker('1.1').end({ code: 78, signal: null, complaint: 'PORT: must be' })
    expect(happened).toEqual(['never served: 78'])
    expect(logged('worker.ended')).toMatchObject([{ code: 78, reason: 'PORT: must be' }])
  })

  test('a worker that does not listen in time is killed', () => {
    generations.begin()
    clock.advance(59_999)
    expect(worker('1.1').wasKilled).toBe(false)
    clock.advance(1)
    expect(worker('1.1').wasKilled).toBe(true)
    worker('1.1').end({ code: null, signal: 'SIGKILL', complaint: '' })
    expect(logged('worker.ended')).toMatchObject([{ reason: 'it did not listen within 60 s' }])
  })

  test('a worker that listens is not killed later', () => {
    serve(1)
    clock.advance(120_000)
    expect(worker('1.1').wasKilled).toBe(false)
    expect(clock.running).toBe(0)
  })
})

describe('a worker that crashes', () => {
  test('is replaced at once, under its number, and the others are left alone', () => {
    serve()
    worker('1.2').end({ code: null, signal: 'SIGKILL', complaint: '' })
    expect(names()).toEqual(['1.1', '1.2', '1.2'])
    expect(logged('worker.ended')).toMatchObject([{ worker: 2, code: null, signal: 'SIGKILL' }])
    expect(happened).toEqual(['serving 1', 'crashed 1.2'])
    worker('1.2').up(2)
    expect(happened).toHaveLength(2)
    expect(worker('1.1').told).toEqual([])
  })

  test('again and again is replaced later each time, until it has lived a while', () => {
    serve()
    worker('1.2').end(CRASH)
    worker('1.2').end(CRASH)
    clock.advance(499)
    expect(started).toHaveLength(3)
    clock.advance(1)
    expect(started).toHaveLength(4)
    worker('1.2').up(2)
    clock.advance(60_000)
    worker('1.2').end(CRASH)
    expect(started).toHaveLength(5)
    expect(logged('worker.replaced').map(({ delayMs }) => delayMs)).toEqual([0, 500, 0])
  })

  test('a long time after it had failed to listen has not lived', () => {
    serve()
    worker('1.2').end(CRASH)
    clock.advance(60_000)
    expect(worker('1.2').wasKilled).toBe(true)
    worker('1.2').end(CRASH)
    expect(logged('worker.replaced').map(({ delayMs }) => delayMs)).toEqual([0, 500])
  })

  test('and waits for its replacement is not replaced in a generation that leaves, or in a shutdown', () => {
    serve()
    for (let times = 0; times < 2; times++) worker('1.2').end(CRASH)
    reload()
    clock.advance(60_000)
    expect(names().filter((name) => name === '1.2')).toHaveLength(2)

    for (let times = 0; times < 2; times++) worker('2.2').end(CRASH)
    generations.shutdown({ kind: 'hurry' })
    clock.advance(60_000)
    expect(names().filter((name) => name === '2.2')).toHaveLength(2)
  })
})

describe('a reload', () => {
  test('has all new workers listen before the old ones leave', () => {
    serve()
    generations.reload()
    worker('2.1').up(3)
    worker('2.2').up(3)
    expect(worker('1.1').told).toEqual([])
    worker('2.3').up(3)
    expect([worker('1.1').told, worker('1.2').told]).toEqual([['leave'], ['leave']])
    expect(happened).toEqual(['serving 1', 'serving 2'])
    worker('1.1').end()
    expect(happened).toHaveLength(2)
    worker('1.2').end()
    expect(happened).toEqual(['serving 1', 'serving 2', 'gone 1'])
    expect(alive()).toEqual(['2.1', '2.2', '2.3'])
  })

  test('whose first worker can not start leaves the old ones as they are, and says why', () => {
    serve()
    generations.reload()
    worker('2.1').listener.onFailed('TLS_CERT: cannot be read')
    worker('2.1').end({ code: 78, signal: null, complaint: 'something' })
    expect(names()).toEqual(['1.1', '1.2', '2.1'])
    expect(worker('1.1').told).toEqual([])
    expect(logged('reload.failed')).toEqual([{ generation: 2, reason: 'TLS_CERT: cannot be read' }])
    expect(happened).toEqual(['serving 1', 'reload failed', 'gone 2'])
    reload()
    expect(happened.at(-1)).toBe('serving 3')
  })

  test('of which a later worker cannot start closes the clients of the earlier one politely', () => {
    serve()
    generations.reload()
    worker('2.1').up(3)
    worker('2.2').end(CRASH)
    expect(worker('2.1').told).toEqual(['leave'])
    expect(worker('2.3').wasKilled).toBe(true)
    expect(logged('reload.failed')).toEqual([{ generation: 2, reason: 'exit code 1' }])
    worker('2.3').end({ code: null, signal: 'SIGKILL', complaint: '' })
    worker('2.1').end()
    expect(happened).toEqual(['serving 1', 'reload failed', 'gone 2'])
  })

  test('that is asked for three times while one runs is one more', () => {
    serve()
    for (let times = 0; times < 4; times++) generations.reload()
    expect(begun).toEqual([1, 2])
    for (const name of ['2.1', '2.2', '3.1', '3.2']) worker(name).up(2)
    expect(begun).toEqual([1, 2, 3])
    expect(names()).toEqual(['1.1', '1.2', '2.1', '2.2', '3.1', '3.2'])
    expect(generations.serving).toBe(3)
  })

  test('that is asked for while another one fails follows it', () => {
    serve()
    generations.reload()
    generations.reload()
    worker('2.1').end(CRASH)
    expect(names().at(-1)).toBe('3.1')
  })

  test('that is asked for during the start follows it', () => {
    generations.begin()
    generations.reload()
    worker('1.1').up(1)
    expect(names()).toEqual(['1.1', '2.1'])
  })

  test('a crash meanwhile is repaired in the generation that serves', () => {
    serve()
    generations.reload()
    worker('1.1').end(CRASH)
    expect(names()).toEqual(['1.1', '1.2', '2.1', '1.1'])
    worker('2.1').up(1)
    expect(worker('1.1').wasKilled, 'it has nobody to take leave of').toBe(true)
  })

  test('three generations may drain, and a fourth ends the waiting of the oldest', () => {
    serve(1)
    for (let times = 0; times < 3; times++) reload(1)
    expect(['1.1', '2.1', '3.1'].map((name) => worker(name).told)).toEqual([['leave'], ['leave'], ['leave']])
    reload(1)
    reload(1)
    expect(['1.1', '2.1', '3.1', '4.1', '5.1'].map((name) => worker(name).told)).toEqual([
      ['leave', 'hurry'],
      ['leave', 'hurry'],
      ['leave'],
      ['leave'],
      ['leave'],
    ])
  })

  test('one that has crashed while leaving is not replaced', () => {
    serve()
    reload()
    worker('1.1').end(CRASH)
    worker('1.2').end()
    clock.advance(60_000)
    expect(alive()).toEqual(['2.1', '2.2'])
    expect(happened).toEqual(['serving 1', 'serving 2', 'gone 1'])
  })
})

describe('a shutdown', () => {
  test('reports which workers serve, and is over when none is left', () => {
    serve()
    reload()
    generations.shutdown({ kind: 'shutdown', why: 'SIGTERM', request: {} })
    expect([worker('1.1').told, worker('2.1').told]).toEqual([['leave'], ['shutdown']])
    for (const name of ['1.1', '2.2', '2.1']) worker(name).end()
    expect(happened.includes('nobody left')).toBe(false)
    worker('1.2').end()
    expect(happened.at(-1)).toBe('nobody left')
  })

  test('ends a reload: the primary ends workers that do not listen yet, and the others drain', () => {
    serve()
    generations.reload()
    generations.reload()
    worker('2.1').up(2)
    generations.shutdown({ kind: 'shutdown', why: 'SIGTERM', request: {} })
    expect(worker('2.1').told).toEqual(['shutdown'])
    expect(worker('2.2').wasKilled).toBe(true)
    for (const name of ['1.1', '1.2', '2.1', '2.2']) worker(name).end()
    expect(happened.at(-1)).toBe('nobody left')
    generations.reload()
    expect(names()).toEqual(['1.1', '1.2', '2.1', '2.2'])
  })

  test('during the very first start is over when that has been ended', () => {
    generations.begin()
    generations.shutdown({ kind: 'shutdown', why: 'SIGTERM', request: {} })
    expect(worker('1.1').wasKilled).toBe(true)
    worker('1.1').end({ code: null, signal: 'SIGKILL', complaint: '' })
    expect(happened).toEqual(['gone 1', 'nobody left'])
  })

  test('without workers is over at once', () => {
    serve(1)
    worker('1.1').end(CRASH)
    worker('1.1').end(CRASH)
    generations.shutdown({ kind: 'shutdown', why: 'SIGTERM', request: {} })
    expect(happened.at(-1)).toBe('nobody left')
  })

  test('that is cancelled replaces the workers that have ended', () => {
    serve()
    generations.shutdown({ kind: 'shutdown', why: 'api', request: {} })
    worker('1.2').end()
    generations.resume()
    expect(names()).toEqual(['1.1', '1.2', '1.2'])
    worker('1.2').up(2)
    reload()
    expect(happened).toEqual(['serving 1', 'serving 2'])
  })

  test('ends the waiting of all workers, old ones too', () => {
    serve(1)
    reload(1)
    generations.shutdown({ kind: 'shutdown', why: 'SIGTERM', request: {} })
    generations.hurry()
    expect([worker('1.1').told, worker('2.1').told]).toEqual([
      ['leave', 'hurry'],
      ['shutdown', 'hurry'],
    ])
  })
})

describe('the end of the primary', () => {
  test('starts no further worker', () => {
    serve(3)
    for (let times = 0; times < 2; times++) worker('1.3').end(CRASH)
    generations.end()
    worker('1.2').end(CRASH)
    generations.reload()
    clock.advance(60_000)
    expect(names()).toEqual(['1.1', '1.2', '1.3', '1.3'])
    expect(logged('worker.replaced')).toHaveLength(2)
    expect(logged('reload.started')).toEqual([])
  })

  test('in the middle of a start starts no further worker, either', () => {
    generations.begin()
    generations.end()
    worker('1.1').up(2)
    expect(names()).toEqual(['1.1'])
  })
})

describe('a worker that waits for the server of its journal', () => {
  const waitFor = (worker: FakeWorker, seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1000)
      worker.listener.onWaiting()
    }
  }

  test('outlives the timeout, and serves when the journal is there', () => {
    generations.begin()
    const [first] = started as [FakeWorker]
    first.listener.onHello(1)
    waitFor(first, 600)
    expect(first.wasKilled).toBe(false)
    first.up(1)
    expect(happened).toEqual(['serving 1'])
  })

  test('and reports no longer is killed after the timeout', () => {
    generations.begin()
    const [first] = started as [FakeWorker]
    waitFor(first, 100)
    clock.advance(59_999)
    expect(first.wasKilled).toBe(false)
    clock.advance(1)
    expect(first.wasKilled).toBe(true)
  })
})
