/**
 * Delivers messages by the command systemd-notify, for Node has no sockets of the kind that NOTIFY_SOCKET is (ADR 11).
 * The command is run by a shell that is started once, while this process is small: to fork a server with 600 MB would
 * hold its event loop up for 10 ms, each time.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Logger } from '../observability/log.js'
import type { SystemdEnvironment } from './environment.js'
import { QueuedNotifier, type Notifier, type SendMessage } from './notifier.js'

/**
 * One line in is one message, its assignments separated by tabs; one line out is its outcome: the exit code of
 * systemd-notify and what it complained of. Signals are the server's business: with KillMode=control-group systemd
 * sends them to this shell as well, and it has a shutdown to tell of. It ends with its standard input.
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
 * For one message at a time: the answer to one is waited for before the next is sent.
 *
 * @param socket NOTIFY_SOCKET, which is not in the environment any more
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
    started.stdin.on('error', () => undefined) // It has ended, which is told above.
    createInterface({ input: started.stdout }).on('line', (line) => {
      const [code = '', ...said] = line.split(' ')
      settle(code === '0' ? undefined : said.join(' ') || `systemd-notify ended with ${code}`)
    })
    return started
  }

  /** Idle, it does not keep this process; a message that is under way does, or the last one would not get there. */
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

/** What tells the service manager; `undefined`: nobody wants to know. */
export const createNotifier = ({ notifySocket }: SystemdEnvironment, log: Logger): Notifier | undefined =>
  notifySocket === undefined ? undefined : new QueuedNotifier({ send: notifyCommand(notifySocket), log })
