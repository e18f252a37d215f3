/**
 * Log lines arrive when a process ends or crashes, when its reader goes away, and when its disk is full.
 */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BufferedDestination, droppedLogLines } from '../../src/observability/log-destination.js'
import { removeFolder } from '../support/remove-folder.js'

let folder: string
let file: string
let fd: number

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastcall-log-'))
  file = join(folder, 'log')
  fd = openSync(file, 'w')
})

afterEach(() => {
  closeSync(fd)
  removeFolder(folder)
})

/** Reads what a non-blocking pipe has now. Returns the number of bytes. */
function readNow(pipe: number, into: Buffer): number {
  try {
    return readSync(pipe, into)
  } catch {
    return 0
  }
}

const written = (): string => readFileSync(file, 'utf8')

describe('within a process', () => {
  test('lines wait until flush() requests them', async () => {
    const destination = new BufferedDestination(fd)
    destination.write('one\n')
    expect(written()).toBe('')
    destination.flush()
    await expect.poll(written).toBe('one\n')
  })

  test('the lines of a file keep their order, also those that arrive while a thread writes', async () => {
    const destination = new BufferedDestination(fd)
    const lines = Array.from({ length: 3_000 }, (_, i) => `${String(i).padStart(99, '.')}\n`)
    for (const line of lines) {
      destination.write(line)
      if (line.endsWith('7\n')) await new Promise((resolve) => setImmediate(resolve))
    }
    await expect.poll(written).toBe(lines.join(''))
  })

  test('a pending write to a file is neither lost nor repeated when the process ends', () => {
    const destination = new BufferedDestination(fd)
    destination.write('one\n')
    destination.flush()
    destination.write('two\n')
    destination.flushAtExit()
    expect(written()).toBe('one\ntwo\n')
  })

  test('the logger writes lines after a moment without a request', async () => {
    const destination = new BufferedDestination(fd)
    destination.write('one\n')
    await expect.poll(written).toBe('one\n')
    destination.write('two\n')
    await expect.poll(written).toBe('one\ntwo\n')
  })

  test('a closed descriptor ends the log and not the process', () => {
    const gone = openSync(file, 'r')
    closeSync(gone)
    const destination = new BufferedDestination(gone)
    destination.write('one\n')
    destination.flush()
    destination.write('two\n')
    destination.flushAtExit()
  })

  test('lines wait for a slow reader up to a bound, beyond which the logger drops and counts them', () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const end = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
    const destination = new BufferedDestination(end)
    destination.onDropped((dropped) => destination.write(`{"level":"warn","dropped":${String(dropped)}}\n`))
    const line = `{"text":"${'x'.repeat(989)}"}\n`
    const droppedBefore = droppedLogLines()
    for (let i = 0; i < 3_000; i++) destination.write(line)

    let read = ''
    const piece = Buffer.alloc(65_536)
    while (!read.includes('dropped')) {
      const length = readSync(end, piece)
      read += piece.toString('utf8', 0, length)
      destination.flush()
    }
    closeSync(end)
    const lines = read.trimEnd().split('\n')
    const notice = JSON.parse(lines.at(-1) ?? '') as { dropped: number; level: string }
    expect(notice.level).toBe('warn')
    expect(lines.slice(0, -1).every((each) => `${each}\n` === line)).toBe(true)
    expect(lines.length - 1 + notice.dropped).toBe(3_000)
    expect(lines.length).toBeGreaterThan(1_000)
    expect(notice.dropped).toBeGreaterThan(1_000)
    expect(droppedLogLines() - droppedBefore).toBe(notice.dropped)
  })

  test('a shared pipe keeps its mode, because the logger opens it a second time', () => {
    const pipe = join(folder, 'shared-mode')
    execFileSync('mkfifo', [pipe])
    const end = openSync(pipe, constants.O_RDWR)
    const flags = (): string | undefined =>
      /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${String(end)}`, 'utf8'))?.[1]
    const before = flags()
    const destination = new BufferedDestination(end)
    // More bytes than a pipe holds. A blocking write would never end, because no process reads.
    for (let i = 0; i < 2_000; i++) destination.write(`${'x'.repeat(99)}\n`)
    destination.flush()
    expect(flags()).toBe(before)
    closeSync(end)
  })

  test('a full disk does not end the process', () => {
    const full = openSync('/dev/full', 'w')
    const destination = new BufferedDestination(full)
    for (let i = 0; i < 1_000; i++) destination.write(`${'x'.repeat(99)}\n`)
    destination.flush()
    closeSync(full)
    destination.flush()
  })
})

describe('of a process', () => {
  const logger = new URL('../../dist/observability/logger.js', import.meta.url).href
  const program = (body: string): string => `
    import { createLogger } from '${logger}'
    const logger = createLogger({ format: 'json' })
    const many = (count) => { for (let i = 0; i < count; i++) logger.info('connect', { i }, 'Client connected') }
    ${body}`

  async function run(body: string): Promise<{ code: unknown; signal: unknown; lines: string[] }> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(body)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    const [code, signal] = (await once(child, 'close')) as [unknown, unknown]
    return { code, signal, lines: output.split('\n').slice(0, -1) }
  }

  test('that ends, every line arrives', async () => {
    const { code, lines } = await run('many(5_000)')
    expect(code).toBe(0)
    expect(lines).toHaveLength(5_000)
  })

  test('that calls process.exit, every line arrives', async () => {
    const { code, lines } = await run('many(5_000); process.exit(3)')
    expect(code).toBe(3)
    expect(lines).toHaveLength(5_000)
  })

  test('that crashes, every line arrives', async () => {
    const { code, lines } = await run('many(5_000); throw new Error("defect")')
    expect(code).toBe(1)
    expect(lines).toHaveLength(5_000)
  })

  test('that crashes in a promise, every line arrives', async () => {
    const { code, lines } = await run('many(3); void Promise.reject(new Error("defect"))')
    expect(code).toBe(1)
    expect(lines).toHaveLength(3)
  })

  test('that shares its pipe with others, every line stays in one piece', async () => {
    const pipe = join(folder, 'shared')
    execFileSync('mkfifo', [pipe])
    const end = openSync(pipe, constants.O_RDWR)
    // At its end a process waits for a slow reader for a second only, so the writers end when all lines have been read.
    const body =
      'for (let i = 0; i < 1_000; i++) logger.info("connect", { i, pad: "x".repeat(300) }, "Client connected")' +
      '; process.stdin.resume()'
    const writers = Array.from({ length: 3 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', program(body)], { stdio: ['pipe', end, 'inherit'] }),
    )
    // The reader is slower than the writers: the pipe is full, and a larger write waits.
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    const piece = Buffer.alloc(4096)
    let read = ''
    for (let count = 0; count < 3_000; await new Promise((resolve) => setTimeout(resolve, 1))) {
      const text = piece.toString('utf8', 0, readNow(reader, piece))
      read += text
      count += text.split('\n').length - 1
    }
    const ended = writers.map((writer) => once(writer, 'close'))
    for (const writer of writers) writer.stdin?.end()
    await Promise.all(ended)
    read += piece.toString('utf8', 0, readNow(reader, piece))
    closeSync(reader)
    closeSync(end)
    const lines = read.trimEnd().split('\n')
    expect(lines).toHaveLength(3_000)
    expect(() => lines.map((line) => JSON.parse(line) as unknown)).not.toThrow()
  })

  test('that used process.stdout before, every line arrives', async () => {
    // More bytes than a pipe holds, and fewer than may wait for a slow reader: beyond that the logger drops and counts lines.
    const { lines } = await run('process.stdout.write("first\\n"); many(5_000)')
    expect(lines).toHaveLength(5_001)
  })

  test('whose reader has ended, the work continues', async () => {
    const body = `
      process.stdin.resume()
      process.stdin.on('end', () => { many(5_000); logger.flush(); process.exit(7) })
      many(1)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(body)], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const closed = once(child, 'exit')
    await once(child.stdout, 'data')
    child.stdout.destroy()
    await once(child.stdout, 'close')
    child.stdin.end()
    expect(await closed).toEqual([7, null])
  })
})
