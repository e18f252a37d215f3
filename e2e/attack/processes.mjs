/** The two processes of an attack: the server, with its CPU and memory, and the attackers. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LOOP_WATCH, longestStall } from '../joins/stalls.js'
import { COMMAND } from '../../scripts/repository.js'

const ATTACKERS = fileURLToPath(new URL('attackers.mjs', import.meta.url))
const SAMPLE_MS = 50
const CLOCK_TICKS_A_SECOND = 100

export class AttackedServer {
  port
  #process
  #folder
  #errors = []

  /** @param command The command of another build; default: that of this checkout. */
  static async start(command = COMMAND) {
    const server = new AttackedServer()
    server.#folder = mkdtempSync(join(tmpdir(), 'lastcall-attack-'))
    server.#process = spawn(command, {
      env: {
        ...process.env,
        ...{ NODE_OPTIONS: `--import ${LOOP_WATCH}`, LOOP_WATCH_FILE: server.#watchFile },
        ...{ HOST: '127.0.0.1', PORT: '0', LOG_FORMAT: 'json', LOCALE: 'en' },
        ...{ JOURNAL_URL: `file:${join(server.#folder, 'journal')}`, SHUTDOWN_TIMEOUT: '1' },
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    createInterface({ input: server.#process.stderr }).on('line', (line) => server.#errors.push(line))
    server.port = await server.#listeningPort()
    return server
  }

  /** Afterwards the log is only drained: thousands of lines of connects would delay what is measured in this process. */
  #listeningPort() {
    const { stdout } = this.#process
    return new Promise((resolve, reject) => {
      let log = ''
      const read = (data) => {
        log += data.toString()
        const line = log.split('\n').find((one) => one.includes('"event":"listening"') && one.endsWith('}'))
        if (line === undefined) return
        stdout.off('data', read)
        stdout.on('data', (more) => {
          if (more.includes('"level":"error"')) this.#errors.push(more.toString())
        })
        resolve(JSON.parse(line).port)
      }
      stdout.on('data', read)
      this.#process.once('exit', () => reject(new Error(`the server ended: ${this.#errors.join('\n')} ${log}`)))
    })
  }

  /** Where the server writes its longest turn of the event loop. */
  get #watchFile() {
    return join(this.#folder, 'turns')
  }

  get memoryMb() {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.#process.pid}/status`, 'utf8'))[1]) / 1024
  }

  get #cpuSeconds() {
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_A_SECOND
  }

  /** What the server uses while something runs, beside what that answers. */
  async measure(run) {
    await longestStall(this.#process, this.#watchFile)
    let highestMb = this.memoryMb
    const sampling = setInterval(() => (highestMb = Math.max(highestMb, this.memoryMb)), SAMPLE_MS)
    const [cpuBefore, startedAt] = [this.#cpuSeconds, performance.now()]
    const latencies = await run()
    clearInterval(sampling)
    const cpuShare = (this.#cpuSeconds - cpuBefore) / ((performance.now() - startedAt) / 1000)
    const { cpuMs: longestTurnMs } = await longestStall(this.#process, this.#watchFile)
    return { latencies, cpuShare, highestMb, longestTurnMs }
  }

  answers() {
    return isHealthy(this.port)
  }

  /** Stops it by SIGTERM. The answer names what it did wrong. */
  async stop() {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    const [code] = await ended
    return [...this.#errors, ...(code === 0 ? [] : [`the server ended with ${code}`])]
  }

  kill() {
    this.#process.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function isHealthy(port) {
  const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined)
  return response?.ok ?? false
}

/** Starts the attackers. Resolves when they attack; `ended` resolves with their counts. */
export async function startAttackers({ name, port, count, seconds }) {
  const attackers = spawn(process.execPath, [ATTACKERS, name, String(port), String(count), String(seconds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: attackers.stdout })
  const ended = new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      if (line.startsWith('{')) resolve(JSON.parse(line))
    })
    attackers.on('exit', (code) => reject(new Error(`the attackers ended with ${code}`)))
  })
  await once(lines, 'line')
  return { ended }
}
