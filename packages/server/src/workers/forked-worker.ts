/**
 * A worker's process as the primary has it: started from the command's file as it is on the disk now, spoken to over its
 * channel, and listened to on standard error, where a process that can't even start says why.
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
  /** As it has configured them; `undefined`: it has not said so. */
  readonly limits: ShutdownLimits | undefined
  readonly rpc: RpcChannel<WorkerAnswers>
}

/** What the primary does with what is not for the one who counts the generations. */
export interface ForkedWorkerListener extends WorkerListener {
  /** It listens, and asks for tokens. */
  onProtected(): void
  onEnded(message: Extract<FromWorker, { kind: 'ended' }>): void
  onQuestion(question: Question<keyof PrimaryAnswers>): void
}

/** What is kept of its last words. */
const MAX_COMPLAINT_LENGTH = 2000

/** After it a question is forgotten; a later answer is a sign of life all the same. */
const SIGN_OF_LIFE_TIMEOUT_MS = 1_000

/** Where a worker finds the primary's standard output if that is not its own. */
const LOG_FD = 4

/** Whether the primary's standard output is in a non-blocking mode that starting a process would take from it. */
const isLogFragile = (): boolean => standardDestination(1).isShared

/** How workers are started; before the first one. */
export function setUpWorkers(): void {
  // Whatever NODE_CLUSTER_SCHED_POLICY says: a worker that has stopped listening must be able to give a connection back.
  cluster.schedulingPolicy = cluster.SCHED_RR
  // Who reads it may go away, and that must not end a primary.
  process.stderr.on('error', ignore)
  cluster.setupPrimary({
    // As it was called, not resolved: where a deploy switches a symbolic link, the next worker follows it.
    exec: process.argv[1] ?? '',
    args: process.argv.slice(2),
    // Descriptors 0 to 2 of a new process are switched to blocking mode, for everybody who shares them: each start of a
    // worker would let a reader that has stopped stop all other processes of the server. From 3 on they are left alone.
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
    // A process that has just ended hears nothing, and nobody minds.
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
      // Of another build, and nothing that this one knows.
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
  // Not at `disconnect`, which does not come while a connection is on its way.
  worker.process.once('exit', () => dealt.hangUp())
  // It could not even be started.
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
      // Whatever it answers, also that it does not know the question, shows that it lives.
      rpc.ask('alive', { timeoutMs: SIGN_OF_LIFE_TIMEOUT_MS }).catch(ignore)
    },
  }
}

function ignore(): void {
  // See where it is given.
}
