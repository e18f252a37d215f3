/**
 * A RabbitMQ of Debian's package for the tests of one file: on free ports, with a folder, a node, a cookie and a port
 * mapper (epmd) of its own, without plugins, as the user that runs the tests. It is ended by the ids of its processes.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { certFile, keyFile } from './certificates.js'
import { freePort } from './free-port.js'
import { find, lacks } from './programs.js'
import { removeFolder } from './remove-folder.js'

/** Not /usr/sbin/rabbitmq-server: that one insists on the user rabbitmq. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'

/** Whether the tests of this file cannot run; for `describe.skipIf`. */
export const lacksRabbit = (): boolean => lacks('rabbitmq-server', SERVER, find('epmd'), find('erl_call'))

/** How long a start of the server may take, on a machine that does other things, too. */
export const START_TIMEOUT_MS = 300_000

/** The log line that appears when the port is open and definitions are loaded. */
const STARTED = 'Server startup complete'
const KEPT_LINES = 40

interface Ports {
  readonly amqp: number
  readonly amqps: number
  readonly erlang: number
  readonly epmd: number
}

export type Alarm = 'memory' | 'disk'

export class RabbitServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'lastcall-rabbit-'))
  readonly #cookie = randomBytes(16).toString('hex')
  readonly #ports: Ports
  readonly #epmd: ChildProcess
  #node: ChildProcess | undefined
  #lines: string[] = []
  readonly #onExit = (): void => this.#killAll()

  private constructor(ports: Ports) {
    this.#ports = ports
    this.#epmd = spawn(find('epmd'), ['-port', String(ports.epmd), '-address', '127.0.0.1'], { stdio: 'ignore' })
    process.once('exit', this.#onExit)
    writeFileSync(join(this.#folder, 'enabled_plugins'), '[].\n')
    writeFileSync(
      join(this.#folder, 'rabbitmq.conf'),
      `listeners.tcp.1 = 127.0.0.1:${ports.amqp}
listeners.ssl.1 = 127.0.0.1:${ports.amqps}
ssl_options.certfile = ${certFile('first')}
ssl_options.keyfile = ${keyFile('first')}
disk_free_limit.absolute = 1MB
`,
    )
  }

  static async start(): Promise<RabbitServer> {
    const [amqp, amqps, erlang, epmd] = [await freePort(), await freePort(), await freePort(), await freePort()]
    const server = new RabbitServer({ amqp, amqps, erlang, epmd })
    await server.start()
    return server
  }

  get port(): number {
    return this.#ports.amqp
  }

  /** The id of the process that runs the node; `undefined` before it is started. */
  get pid(): number | undefined {
    return this.#node?.pid
  }

  get tlsPort(): number {
    return this.#ports.amqps
  }

  /** @param port of a proxy, for instance. */
  url(queue: string, port = this.port): string {
    return `amqp://guest:guest@127.0.0.1:${port}?queue=${queue}`
  }

  /** Starts it, again after `stop` or `kill`. Resolves when it serves. */
  async start(): Promise<void> {
    const node = spawn(SERVER, [], { env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#node = node
    this.#lines = []
    await new Promise<void>((resolve, reject) => {
      for (const stream of [node.stdout, node.stderr]) {
        createInterface(stream).on('line', (line) => {
          this.#lines = [...this.#lines, line].slice(-KEPT_LINES)
          if (line.includes(STARTED)) resolve()
        })
      }
      node.on('error', reject)
      node.on('exit', () => reject(new Error(`RabbitMQ has ended:\n${this.#lines.join('\n')}`)))
    })
  }

  get #environment(): NodeJS.ProcessEnv {
    const { amqp, erlang, epmd } = this.#ports
    const inFolder = (name: string): string => join(this.#folder, name)
    return {
      PATH: process.env['PATH'],
      HOME: this.#folder,
      TMPDIR: this.#folder,
      ERL_EPMD_PORT: String(epmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `lastcall-${amqp}@localhost`,
      RABBITMQ_DIST_PORT: String(erlang),
      RABBITMQ_MNESIA_BASE: inFolder('mnesia'),
      RABBITMQ_LOG_BASE: inFolder('log'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_CONF_ENV_FILE: inFolder('none'),
      RABBITMQ_CONFIG_FILE: inFolder('rabbitmq'),
      RABBITMQ_ADVANCED_CONFIG_FILE: inFolder('advanced'),
      RABBITMQ_GENERATED_CONFIG_DIR: inFolder('generated'),
      RABBITMQ_ENABLED_PLUGINS_FILE: inFolder('enabled_plugins'),
      // The script becomes the virtual machine, so that the child's id is that of the server.
      RABBITMQ_ALLOW_INPUT: '1',
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: [
        `-noinput -start_epmd false -setcookie ${this.#cookie} -kernel inet_dist_use_interface {127,0,0,1}`,
        '+S 2:2 +A 8',
      ].join(' '),
    }
  }

  /** As a service manager does: it flushes its files. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** `kill -9`, also while it is paused. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const node = this.#node
    if (!node || node.exitCode !== null || node.signalCode !== null) return
    const exited = once(node, 'exit')
    node.kill(signal)
    await exited
  }

  pause(): void {
    this.#node?.kill('SIGSTOP')
  }

  resume(): void {
    this.#node?.kill('SIGCONT')
  }

  /** Causes the effect of a shortage of memory or disk: the server stops reading from connections that publish. */
  setAlarm(alarm: Alarm, isOn: boolean): void {
    const resource = `{resource_limit, ${alarm}, node()}`
    this.evaluate(isOn ? `rabbit_alarm:set_alarm({${resource}, []})` : `rabbit_alarm:clear_alarm(${resource})`)
  }

  /** Runs Erlang in the server and answers the result as text. */
  evaluate(code: string): string {
    const args = ['-c', this.#cookie, '-address', `127.0.0.1:${this.#ports.erlang}`, '-e']
    const { stdout, stderr, status } = spawnSync(find('erl_call'), args, { input: `${code}.\n`, encoding: 'utf8' })
    if (status !== 0 || !stdout.startsWith('{ok,')) throw new Error(`${code}: ${stdout}${stderr}`)
    return stdout
  }

  /** A user with the permissions of these patterns in one virtual host. */
  addUser(name: string, password: string, [configure, write, read]: readonly [string, string, string]): void {
    this.evaluate(`rabbit_auth_backend_internal:add_user(<<"${name}">>, <<"${password}">>, <<"test">>)`)
    this.setPermissions(name, [configure, write, read])
  }

  setPermissions(name: string, [configure, write, read]: readonly [string, string, string]): void {
    const patterns = [configure, write, read].map((pattern) => `<<"${pattern}">>`).join(', ')
    this.evaluate(`rabbit_auth_backend_internal:set_permissions(<<"${name}">>, <<"/">>, ${patterns}, <<"test">>)`)
  }

  /** Copies everything on its disk, as it would be found after a crash. The answer puts the copy back, as a backup. */
  save(): () => Promise<void> {
    const [live, copy] = [join(this.#folder, 'mnesia'), join(this.#folder, `copy-${randomBytes(4).toString('hex')}`)]
    this.pause()
    cpSync(live, copy, { recursive: true })
    this.resume()
    return async () => {
      await this.kill()
      rmSync(live, { recursive: true })
      mkdirSync(live)
      cpSync(copy, live, { recursive: true })
      await this.start()
    }
  }

  async dispose(): Promise<void> {
    await this.kill()
    this.#killAll()
    process.removeListener('exit', this.#onExit)
    removeFolder(this.#folder)
  }

  #killAll(): void {
    this.#node?.kill('SIGKILL')
    this.#epmd.kill('SIGKILL')
  }
}
