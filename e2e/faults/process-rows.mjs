/**
 * What can happen to the processes of a server and to what they share: a worker hangs, the clock is set, descriptors run
 * out, the reader of the log stops.
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Subject } from './subject.mjs'
import { mustHaveAll, Visitor } from './visitor.mjs'
import { inWords, must, within } from './within.js'

const SET_CLOCK = fileURLToPath(new URL('preload-set-clock.mjs', import.meta.url))

const NEWCOMERS = 10

export async function hungWorker({ folder, messages }) {
  const subject = await Subject.serving({
    JOURNAL_URL: `file:${join(folder, 'journal')}`,
    WORKERS: '2',
    WORKER_TIMEOUT: '12',
  })
  const { pid } = await subject.logged('worker.started', { fits: ({ worker }) => worker === 2 })
  const [first, second] = await onBothWorkers(subject)
  process.kill(pid, 'SIGSTOP')
  const stoppedMs = performance.now()
  const sinceStop = () => performance.now() - stoppedMs
  // The primary deals one of them to the hung worker.
  const newcomers = Array.from({ length: NEWCOMERS }, async (_, index) => {
    const come = () => Visitor.connect(subject.webSocketUrl, `newcomer-${index}`)
    // The server may hang up on one, and it comes again at once.
    await come().catch(come)
    return sinceStop()
  })
  const waiting = Promise.all(newcomers)
  waiting.catch(() => undefined)
  await first.publishAll(messages)
  await subject.logged('worker.silent')
  const reportedMs = sinceStop()
  const { signal } = await subject.logged('worker.ended', { fits: (line) => line.pid === pid })
  must(signal === 'SIGKILL', `the hung worker ended by ${signal}`)
  const endedMs = sinceStop()
  const code = await within('the end of the connection to the hung worker', second.closed)
  must(code === 1006, `the client of the hung worker was closed with ${code}`)
  await subject.logged('worker.started', { fits: (line) => line.worker === 2 && line.pid !== pid })
  const waits = await waiting
  must(Math.max(...waits) < endedMs, 'a newcomer waited until the hung worker was killed')
  await mustHaveAll(subject.webSocketUrl, first.welcome.cursor, first.acked)
  const { code: exitCode } = await subject.stop()
  must(exitCode === 0, `the server ended with ${exitCode}`)
  return (
    `${first.acked.length} acknowledged by the other worker (p99 ${first.p99}); reported after ${inWords(reportedMs)}, ` +
    `killed after ${inWords(endedMs)}; ${NEWCOMERS} newcomers let in, the last after ${inWords(Math.max(...waits))}`
  )
}

/** A client of the first worker, and one of the second. */
async function onBothWorkers(subject) {
  const visitors = new Map()
  for (let index = 0; visitors.size < 2; index++) {
    must(index < 20, 'all clients are at one worker')
    const name = `anna-${index}`
    const visitor = await Visitor.connect(subject.webSocketUrl, name)
    const { worker } = await subject.logged('connect', { fits: ({ clientId }) => clientId === name })
    if (!visitors.has(worker)) visitors.set(worker, visitor)
  }
  return [visitors.get(1), visitors.get(2)]
}

const STEPS = { '+10 min': 600_000, '+3 h': 10_800_000, '-1 h': -3_600_000 }

export async function setClock({ folder, messages }) {
  const file = join(folder, 'clock')
  const subject = await Subject.serving(
    { JOURNAL_URL: `file:${join(folder, 'journal')}`, HISTORY_TTL: '300', SET_CLOCK_FILE: file },
    { preload: SET_CLOCK },
  )
  const anna = await Visitor.connect(subject.webSocketUrl, 'anna')
  await anna.publishAll(messages)
  for (const ms of Object.values(STEPS)) {
    const from = subject.lines.length
    writeFileSync(file, String(ms))
    subject.signal('SIGUSR2')
    await subject.logged('stdout', { fits: ({ text }) => text === `clock ${ms}`, from })
    await anna.publishAll(5)
    // It resumes from before the first message: nothing has become too old, and nothing comes twice.
    await mustHaveAll(subject.webSocketUrl, anna.welcome.cursor, anna.acked)
  }
  must(anna.isConnected, 'the client was disconnected')
  await subject.stop()
  return `${Object.keys(STEPS).join(', ')}: ${anna.acked.length} of ${anna.acked.length} replayed after each, nobody disconnected`
}

const DESCRIPTORS = 200

export async function noDescriptors({ folder, messages }) {
  const subject = await Subject.serving(
    { JOURNAL_URL: `file:${join(folder, 'journal')}`, MAX_IDLE_HTTP: '10000' },
    { through: ['sh', '-c', `ulimit -n ${DESCRIPTORS}; exec "$@"`, 'sh'] },
  )
  const anna = await Visitor.connect(subject.webSocketUrl, 'anna')
  const silent = []
  for (let index = 0; index < 2 * DESCRIPTORS; index++) {
    const socket = connect(new URL(subject.httpUrl).port, '127.0.0.1').on('error', () => undefined)
    await once(socket, 'connect')
    silent.push(socket)
  }
  await anna.publishAll(messages)
  for (const path of ['health', 'ready']) await subject.get(path)
  const borys = await Visitor.connect(subject.webSocketUrl, 'borys')
  await borys.publishAll(5)
  const closed = silent.filter((socket) => socket.closed).length
  for (const socket of silent) socket.destroy()
  const { code } = await subject.stop()
  must(code === 0, `the server ended with ${code}`)
  return (
    `${silent.length} silent connections at ulimit -n ${DESCRIPTORS}, ${closed} of them closed; ` +
    `${anna.acked.length} acknowledged (p99 ${anna.p99}), probes and a newcomer served`
  )
}

/** With a name as long as one may be, a line about a message takes more than 200 bytes. */
const LONG_NAME = 'anna'.padEnd(64, '-')
/** Their lines are more than the pipe and the buffer of the server hold. */
const TOO_MANY = 9_000

export async function stoppedLogReader() {
  const subject = await Subject.serving({ LOG_LEVEL: 'debug' })
  subject.output.pause()
  const anna = await Visitor.connect(subject.webSocketUrl, LONG_NAME)
  for (let sent = 0; sent < TOO_MANY; sent += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => anna.publish()))
    must(!answers.includes(false), 'a message was refused')
  }
  subject.output.resume()
  const { dropped } = await subject.logged('log.dropped')
  must((await subject.metric('lastcall_log_lines_dropped_total')) === dropped, 'the metric is another number')
  const { code } = await subject.stop()
  must(code === 0, `the server ended with ${code}`)
  return `${anna.acked.length} acknowledged (p99 ${anna.p99}), ${dropped} lines dropped and counted`
}
