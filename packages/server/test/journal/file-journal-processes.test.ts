/**
 * The file journal shared by processes: several at once, killed at any moment, on a full disk. The processes run the built
 * files (`tsc -b`).
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FilePlace } from './file-place.js'
import { Program } from './program.js'
import type { JournalListener } from '../../src/journal/journal.js'
import { message, record, Recorder } from '../../src/testing/index.js'

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)
/** Limits the size of files, also of a process that runs: to that process it is like a full disk. Linux has it. */
const PRLIMIT = 'prlimit'
const hasPrlimit = spawnSync(PRLIMIT, ['--version']).status === 0

describe('file: among processes', () => {
  let place: FilePlace
  let programs: Program[]

  beforeEach(() => {
    place = new FilePlace()
    programs = []
  })

  afterEach(async () => {
    for (const { child } of programs) child.kill('SIGKILL')
    await Promise.all(programs.map((program) => program.end()))
    await place.dispose()
  })

  function run(name: string, ...args: readonly (string | number)[]): Program {
    const program = new Program(process.execPath, [fixture(name), place.path, ...args.map(String)])
    programs.push(program)
    return program
  }

  const acked = (program: Program): number[] => program.numbers('acked ')

  it('is one journal, created once, however many processes start at the same time', async () => {
    const starting = Array.from({ length: 6 }, (_, index) => run('appender.mjs', `node-${index}`, 10, 10))
    await Promise.all(starting.map((program) => program.end()))
    expect(new Set(starting.map(({ lines }) => lines[0])).size).toBe(1)
    expect((await place.read()).lastOffset).toBe(60)
  })

  it('reads thousands of entries of another process in bounded parts per turn of the event loop', async () => {
    const journal = await place.open()
    const recorder = new Recorder()
    const inTurns: number[] = []
    let isNewTurn = true
    const counting: JournalListener = {
      onEpoch: (epoch, nextOffset) => recorder.onEpoch(epoch, nextOffset),
      onAvailability: (available, error) => recorder.onAvailability(available, error),
      onBatch: (entries) => {
        if (isNewTurn) {
          inTurns.push(0)
          isNewTurn = false
          setImmediate(() => (isNewTurn = true))
        }
        inTurns.push((inTurns.pop() ?? 0) + entries.length)
        recorder.onBatch(entries)
      },
    }
    await journal.tail(counting)
    // The event loop of this process is blocked while the other process appends.
    const writer = [fixture('appender.mjs'), place.path, 'writer', '7000', '10']
    expect(spawnSync(process.execPath, writer).status).toBe(0)
    await recorder.until(({ entries }) => entries.length === 7000)
    expect(inTurns.reduce((sum, count) => sum + count, 0)).toBe(7000)
    // 512 entries and the rest of the last frame: the other process appends at most ten entries at once.
    expect(Math.max(...inTurns)).toBeLessThanOrEqual(521)
  })

  it('delivers every entry of every writer to each reader in one order', async () => {
    const readers = [run('reader.mjs', 600), run('reader.mjs', 600)]
    const writers = [run('appender.mjs', 'a', 300, 100), run('appender.mjs', 'b', 300, 100)]
    for (const program of [...writers, ...readers]) expect(await program.end()).toBe(0)
    const [one, other] = readers
    expect(one?.lines).toEqual(other?.lines)
    const told = await place.read()
    expect(one?.lines.slice(1)).toEqual(told.entries.map((entry) => `${entry.offset} ${entry.node}:${entry.sequence}`))
    for (const node of ['a', 'b']) {
      const sequences = told.entries.filter((entry) => entry.node === node).map(({ sequence }) => sequence)
      expect(sequences).toEqual(Array.from({ length: 300 }, (_, index) => index + 1))
    }
  })

  it('has every acknowledged entry, without a gap, after processes were killed while appending', async () => {
    const ackedOrigins = new Set<string>()
    // More than the test ever writes, so that a slow reader is not overtaken by the eviction.
    const retention = { maxEntries: 1e9, maxAgeMs: 1e12, maxBytes: 64 * 1024 * 1024 }
    const watching = await record(await place.open({ retention }))
    for (let round = 0; round < 6; round++) {
      const size = round % 2 ? 30_000 : 100
      const writers = ['a', 'b'].map((name) => run('appender.mjs', `${name}${round}`, 1e9, size, retention.maxBytes))
      const ackCount = 5 + Math.random() * 300
      await Promise.all(
        writers.map(async (writer) => {
          await writer.until(() => acked(writer).length > ackCount)
          writer.child.kill('SIGKILL')
          await writer.end()
        }),
      )
      for (const [index, name] of ['a', 'b'].entries()) {
        for (const sequence of acked(writers[index] as Program)) ackedOrigins.add(`${name}${round}:${sequence}`)
      }
    }
    const journal = await place.open({ retention })
    await journal.append([message('marker', { node: 'marker', sequence: 1 })])
    await watching.until(({ origins }) => origins.at(-1) === 'marker:1')
    const told = new Set(watching.origins)
    expect([...ackedOrigins].filter((origin) => !told.has(origin))).toEqual([])
    expect(told.size).toBe(watching.origins.length)
    expect(watching.epochs).toHaveLength(1)
    const kept = await record(journal)
    expect(kept.entries).toEqual(watching.entries.slice(-kept.entries.length))
  })

  it('reports a gap to a reader that the eviction has overtaken', async () => {
    const small = { maxEntries: 1e9, maxAgeMs: 1e12, maxBytes: 1024 * 1024 }
    const watching = await record(await place.open({ retention: small }))
    // While this runs, this process reads nothing: the writer appends far more than it retains.
    const writer = spawnSync(process.execPath, [fixture('appender.mjs'), place.path, 'writer', '300', '30000'])
    expect(writer.status).toBe(0)
    const journal = await place.open({ retention: small })
    await journal.append([message('marker', { node: 'marker', sequence: 1 })])
    await watching.until(({ origins }) => origins.at(-1) === 'marker:1')
    // The recorder fails at an unexpected offset: missing entries lie before the new start of an epoch.
    const goesOnAt = watching.epochs.at(-1)?.nextOffset ?? 0
    expect(goesOnAt).toBeGreaterThan(1)
    expect(new Set(watching.epochs.map(({ epoch }) => epoch)).size).toBe(1)
    expect(watching.offsets.slice(-(301 - goesOnAt + 1))).toEqual(
      Array.from({ length: 301 - goesOnAt + 1 }, (_, index) => goesOnAt + index),
    )
  })

  it('loses no entry of one process while others start and end', async () => {
    const writer = run('appender.mjs', 'writer', 1e9, 100, 64 * 1024 * 1024)
    for (let round = 0; round < 40; round++) {
      await writer.until(() => acked(writer).length > round * 20)
      const journal = await place.open()
      await journal.append([message('visitor', { node: 'visitor', sequence: round })])
      await journal.close()
    }
    writer.child.kill('SIGKILL')
    await writer.end()
    const { origins } = await place.read()
    const expected = acked(writer).map((sequence) => `writer:${sequence}`)
    expect(origins.filter((origin) => origin.startsWith('writer:')).slice(0, expected.length)).toEqual(expected)
    expect(origins.filter((origin) => origin.startsWith('visitor:'))).toHaveLength(40)
  })

  it.runIf(hasPrlimit)('on a full disk refuses appends temporarily, and accepts them again', async () => {
    const limited = ['--fsize=200000:', process.execPath, fixture('full-disk.mjs'), place.path]
    const program = new Program(PRLIMIT, limited)
    programs.push(program)
    await program.until((lines) => lines.includes('full'))
    const failed = program.lines.filter((line) => line.startsWith('failed '))
    expect(failed.length).toBeGreaterThan(20)
    for (const line of failed) expect(line).toMatch(/^failed \d+ journal_unavailable true$/)
    expect(program.lines).toContain('available false journal_unavailable true')

    spawnSync(PRLIMIT, ['--pid', String(program.child.pid), '--fsize=unlimited:'])
    program.child.stdin?.write('room\n')
    expect(await program.end()).toBe(0)
    expect(program.lines.at(-1)).toBe('acked 41')
    expect(program.lines.filter((line) => line.startsWith('available '))).toEqual([
      'available false journal_unavailable true',
      'available true undefined undefined',
    ])
    expect(program.lines.filter((line) => line.startsWith('unhandled'))).toEqual([])
    const told = await place.read()
    expect(told.entries.map(({ sequence }) => sequence)).toEqual(program.numbers('told '))
    expect(told.entries.map(({ sequence }) => sequence)).toEqual(acked(program))
  })

  it.runIf(hasPrlimit)(
    'on a disk that is nearly full again and again accepts every message once and stays intact',
    async () => {
      const [hundredKiB, steps] = [100 * 1024, 8]
      const writers = ['a', 'b'].map((node) => {
        const args = [process.execPath, fixture('near-full.mjs'), place.path, node, '60', '9000']
        const program = new Program(PRLIMIT, [`--fsize=${hundredKiB}:`, ...args])
        programs.push(program)
        return program
      })
      const fails = (writer: Program): number => writer.lines.filter((line) => line.startsWith('failed')).length
      // Disk space appears in small steps. After each step another write fails, with a part of it on the disk.
      for (
        let step = 1, before = 0;
        step <= steps;
        step++, before = writers.reduce((sum, each) => sum + fails(each), 0)
      ) {
        const seen = before
        await Promise.race(
          writers.map((writer) => writer.until(() => writers.reduce((sum, each) => sum + fails(each), 0) > seen)),
        )
        const limit = step === steps ? 'unlimited' : String(hundredKiB + step * 8191)
        for (const { child } of writers) spawnSync(PRLIMIT, ['--pid', String(child.pid), `--fsize=${limit}:`])
      }
      for (const writer of writers) expect(await writer.end()).toBe(0)
      const told = await place.read()
      for (const [index, node] of ['a', 'b'].entries()) {
        const sequences = told.entries.filter((entry) => entry.node === node).map(({ sequence }) => sequence)
        expect(acked(writers[index] as Program)).toEqual(Array.from({ length: 60 }, (_, each) => each + 1))
        // The journal may also contain an attempt that failed only for its own process, behind another torn write.
        expect([...new Set(sequences)]).toEqual(acked(writers[index] as Program))
      }
    },
  )
})
