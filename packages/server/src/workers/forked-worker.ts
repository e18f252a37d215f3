/**
 * A worker's process as the primary sees it. The primary starts it from the command's present file and exchanges messages with
 * it over its channel. It also reads the worker's standard error, because a process that fails at its start reports the cause
 * there.
 */
import cluster from 'node:cluster'
import type { Clock } from '../clock.js'
import { LOG_FD_VARIABLE, WORKER_VARIABLE } from '../config/load-config.js'
import { standardDestination } from '../observability/log-destination.js'
import { DealtConnections } from './dealt-connections.js'
import type { FromWorker, PrimaryAnswers, Question, ToWorker, WorkerAnswers, WorkerIdentity } from './messages.js'
import { RpcChannel } from './rpc.js'
import type { LivelyProcess } from './liveness.js'
import type { ShutdownLimits } from './shutdown-bound.js'
import type { WorkerListener } from './worker-process.js'

export interface ForkedWorker extends LivelyProcess {
  /** The worker's configured shutdown times; `undefined`: it has not reported them. */
  readonly limits: ShutdownLimits | undefined
  readonly rpc: RpcChannel<WorkerAnswers>
}

/** What the primary does with a worker's messages that do not concern the generations. */
export interface ForkedWorkerListener extends WorkerListener {
  /** The worker listens and requires tokens. */
  onProtected(): void
  onEnded(message: Extract<FromWorker, { kind: 'ended' }>): void
  onQuestion(question: Question<keyof PrimaryAnswers>): void
}

/** How many characters of its standard error the primary keeps. */
const MAX_COMPLAINT_LENGTH = 2000

/** Timeout of a liveness query, in milliseconds. A later answer still counts as a sign of life. */
const SIGN_OF_LIFE_TIMEOUT_MS = 1_000

/** The descriptor on which a worker inherits the primary's standard output when it is not number 1. */
const LOG_FD = 4

/** Whether the primary's standard output is in a non-blocking mode that the start of a child process would reset. */
const isLogFragile = (): boolean => standardDestination(1).isShared

/** Configures how workers start. Must be called before the first one. */
export function setUpWorkers(): void {
  // Overrides NODE_CLUSTER_SCHED_POLICY: a worker that has stopped listening must be able to return a connection.
  cluster.schedulingPolicy = cluster.SCHED_RR
  // The reader of standard error may close it, and that must not end the primary.
  process.stderr.on('error', ignore)
  cluster.setupPrimary({
    // The path as given, not resolved: when a deploy switches a symbolic link, the next worker follows it.
    exec: process.argv[1] ?? '',
    args: process.argv.slice(2),
    // Node switches descriptors 0 to 2 of a new process to blocking mode, also for the other processes that share them: after
    // each start of a worker, a reader that has stopped could block all processes of the server. Node leaves descriptors from 3
    // on unchanged.
    stdio: isLogFragile() ? ['ignore', 'ignore', 'pipe', 'ipc', 1] : ['ignore', 'inherit', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
}

export function forkWorker(
  identity: WorkerIdentity,
  { clock, ...start }: Omit<Extract<ToWorker, { kind: 'start' }>, 'kind' | 'identity'> & { readonly clock: Clock },
  listener: ForkedWorkerListener,
): ForkedWorker {
  const worker = cluster.fork({ [WORKER_VARIABLE]: '1', ...(isLogFragile() && { [LOG_FD_VARIABLE]: String(LOG_FD) }) })
  const send = (message: ToWorker): void => {
    // A process that has just ended cannot receive the message, and needs none.
    if (worker.isConnected()) worker.process.send(message, ignore)
  }
  const rpc = new RpcChannel<WorkerAnswers>(send, clock)
  const dealt = new DealtConnections(worker.process)
  let complaint = ''
  let hasSpoken = false
  let limits: ShutdownLimits | undefined
  worker.process.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    standardDestination(2).write(chunk)
    complaint = (complaint + chunk).slice(-MAX_COMPLAINT_LENGTH)
  })
  worker.on('message', (message: FromWorker) => {
    hasSpoken = true
    switch (message.kind) {
      case 'hello':
        limits = message.limits
        send({ kind: 'start', identity, waitsToListen: true, ...start })
        return listener.onHello(message.workers)
      case 'waiting':
        return listener.onWaiting()
      case 'prepared':
        return listener.onPrepared()
      case 'ready':
        if (!message.isOpen) listener.onProtected()
        return listener.onReady(message.address)
      case 'failed':
        return listener.onFailed(message.message)
      case 'ended':
        return listener.onEnded(message)
      case 'question':
        return listener.onQuestion(message)
      case 'answer':
        return rpc.answered(message)
      default:
      // A message of another build, which this one does not know.
    }
  })
  let hasEnded = false
  const onEnd = (code: number | null, signal: string | null): void => {
    if (hasEnded) return
    hasEnded = true
    rpc.giveUp()
    listener.onExit({ code, signal, complaint: complaint.trim() })
  }
  worker.process.once('close', onEnd)
  // Not at `disconnect`: Node does not emit it while a connection is on its way to the worker.
  worker.process.once('exit', () => dealt.hangUp())
  // Node emits this when it could not start the process.
  worker.on('error', (error) => {
    complaint += error.message
    if (worker.process.pid === undefined) onEnd(1, null)
  })
  return {
    pid: worker.process.pid,
    rpc,
    send,
    kill: () => worker.process.kill('SIGKILL'),
    get limits() {
      return limits
    },
    hangUpOnNewcomers: () => dealt.hangUp(),
    takeSignOfLife() {
      const had = hasSpoken
      hasSpoken = false
      return had
    },
    askForSignOfLife() {
      // Any answer, also that the worker does not know the question, shows that it lives.
      rpc.ask('alive', { timeoutMs: SIGN_OF_LIFE_TIMEOUT_MS }).catch(ignore)
    },
  }
}

function ignore(): void {
  // The comment at its use states the reason.
}
