/**
 * Delivers messages by the command systemd-notify, because Node cannot open sockets of the kind of NOTIFY_SOCKET (ADR 11). A
 * shell runs the command. The shell starts once, while this process is small: a fork of a server with 600 MB would block its
 * event loop for 10 ms, each time.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Logger } from '../observability/log.js'
import type { SystemdEnvironment } from './environment.js'
import { QueuedNotifier, type Notifier, type SendMessage } from './notifier.js'

/**
 * Each input line is one message, its assignments separated by tabs. Each output line is its outcome: the exit code of
 * systemd-notify, and its error text. The shell ignores signals: with KillMode=control-group systemd sends them to the shell,
 * too, and the shell still has to report the shutdown. It ends with its standard input.
 */
const SCRIPT = `
export NOTIFY_SOCKET="$1"
trap '' TERM INT HUP
set -f
IFS='\t'
while read -r message; do
  said=$(systemd-notify $message 2>&1)
  printf '%s %s\\n' "$?" "\${said%%
*}"
done`

type Shell = ChildProcessByStdio<Writable, Readable, null>

interface Outcome {
  resolve(): void
  reject(error: Error): void
}

/**
 * Sends one message at a time: it waits for the outcome of one before it sends the next.
 *
 * @param socket NOTIFY_SOCKET, which the environment no longer contains.
 */
function notifyCommand(socket: string): SendMessage {
  let outcome: Outcome | undefined
  let shell: Shell | undefined = start()
  keepProcess(false)

  function start(): Shell {
    const started = spawn('sh', ['-c', SCRIPT, 'sh', socket], { stdio: ['pipe', 'pipe', 'ignore'] })
    const ended = (why: string): void => {
      if (shell === started) shell = undefined
      settle(why)
    }
    started.on('error', (error) => ended(error.message))
    started.on('exit', (code, signal) => ended(`its shell has ended (${String(signal ?? code)})`))
    started.stdin.on('error', () => undefined) // The shell has ended, which the handler above reports.
    createInterface({ input: started.stdout }).on('line', (line) => {
      const [code = '', ...said] = line.split(' ')
      settle(code === '0' ? undefined : said.join(' ') || `systemd-notify ended with ${code}`)
    })
    return started
  }

  /** An idle shell does not keep this process alive; a message that is under way does, or the last one would be lost. */
  function keepProcess(keep: boolean): void {
    for (const handle of [shell, shell?.stdin as Socket | undefined, shell?.stdout as Socket | undefined]) {
      if (keep) handle?.ref()
      else handle?.unref()
    }
  }

  function settle(problem: string | undefined): void {
    const settled = outcome
    outcome = undefined
    keepProcess(false)
    if (problem === undefined) settled?.resolve()
    else settled?.reject(new Error(problem))
  }

  return (assignments) =>
    new Promise((resolve, reject) => {
      outcome = { resolve, reject }
      shell ??= start()
      keepProcess(true)
      shell.stdin.write(`${assignments.join('\t')}\n`)
    })
}

/** The notifier for the service manager; `undefined`: it expects no notifications. */
export const createNotifier = ({ notifySocket }: SystemdEnvironment, log: Logger): Notifier | undefined =>
  notifySocket === undefined ? undefined : new QueuedNotifier({ send: notifyCommand(notifySocket), log })
