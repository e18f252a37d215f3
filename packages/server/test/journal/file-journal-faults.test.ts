/**
 * The file journal on a failing disk: the disk stops answering, its directory moves, descriptors run out, the clock jumps,
 * and torn writes take space. The processes run the built files (`tsc -b`).
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, type Clock } from '../../src/clock.js'
import { encodeFrame } from '../../src/journal/segment.js'
import { message, messages, record, UNLIMITED, type Recorder } from '../../src/testing/index.js'
import { FilePlace, SteppedClock } from './file-place.js'
import { Program } from './program.js'

const KIB = 1024
const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)
const unavailable = { code: 'journal_unavailable', temporary: true }

describe('a file journal', () => {
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

  function run(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Program {
    const program = new Program(command, args, env)
    programs.push(program)
    return program
  }

  /** Advances the intervals of a journal until its reader has reported this. */
  async function stepUntil(clock: SteppedClock, recorder: Recorder, isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      clock.step()
      await Promise.race([recorder.until(isReached), new Promise((resolve) => setImmediate(resolve))])
    }
  }

  it('counts torn writes towards HISTORY_BYTES, so that they do not fill the disk', async () => {
    const maxBytes = 1024 * KIB
    const journal = await place.open({ retention: { ...UNLIMITED, maxBytes } })
    const recorder = await record(journal)
    const entry = Buffer.alloc(200 * KIB, 'x')
    for (let round = 0; round < 40; round++) {
      const frame = encodeFrame(
        { writer: 1, sequence: 1, position: 0, offset: 1, entries: [entry] },
        markOf(place.segment),
      )
      appendFileSync(place.segment, frame.subarray(0, 180 * KIB))
      await journal.append([message('x'.repeat(4000))])
    }
    await recorder.until(({ lastOffset }) => lastOffset === 40)
    await journal.append([message('last')])
    await journal.close()
    expect(place.bytes).toBeLessThan(maxBytes + 2 * 256 * KIB + 2 * 200 * KIB)
    expect((await place.read()).lastOffset).toBe(41)
  })

  it.skipIf(process.platform === 'win32')(
    'whose disk does not answer refuses appends, and continues when the disk answers',
    async () => {
      const pipe = join(place.root, 'pipe')
      expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
      const preload = ['--import', fixture('stalling-disk.mjs')]
      const program = run(process.execPath, [...preload, fixture('stalled.mjs'), place.path, '300'], {
        ...process.env,
        STALL_PIPE: pipe,
      })
      const said = (line: string): Promise<void> => program.until((lines) => lines.includes(line))
      await said('open')
      program.child.stdin?.write('\n')
      await said('acked 1')
      program.child.kill('SIGUSR2')
      await said('stalled true')
      program.child.stdin?.write('\n')
      await said('available false journal_unavailable true')
      await said('failed 2 journal_unavailable true')
      program.child.stdin?.write('\n')
      await said('failed 3 journal_unavailable true')
      program.child.kill('SIGUSR2')
      await said('stalled false')
      // The write completes: the journal contains the entry whose outcome was unknown.
      closeSync(openSync(pipe, 'w'))
      await said('told 2')
      await said('available true undefined undefined')
      program.child.stdin?.write('\n')
      await said('acked 4')
      program.child.stdin?.end()
      expect(await program.end()).toBe(0)
      expect((await place.read()).entries.map(({ sequence }) => sequence)).toEqual([1, 2, 4])
    },
  )

  describe('whose directory is', () => {
    it.each(['moved away', 'moved away and replaced'])('%s refuses appends until it is restored', async (what) => {
      const clock = new SteppedClock()
      const journal = await place.open({ clock })
      const recorder = await record(journal)
      await journal.append(messages(1))
      const away = join(place.root, 'away')
      renameSync(place.path, away)
      if (what !== 'moved away') mkdirSync(place.path)
      await stepUntil(clock, recorder, () => recorder.availability.length === 1)
      expect(recorder.availability[0]).toMatchObject({ available: false, error: unavailable })
      await expect(journal.append(messages(1))).rejects.toMatchObject(unavailable)
      rmSync(place.path, { recursive: true, force: true })
      renameSync(away, place.path)
      await stepUntil(clock, recorder, () => recorder.availability.length === 2)
      await journal.append(messages(1))
      await journal.close()
      expect((await place.read()).lastOffset).toBe(2)
    })

    it('replaced by that of another journal is not written to, also when a segment ends', async () => {
      const other = join(place.root, 'other')
      const writer = await place.open({}, other)
      while (place.segments(other).length < 3) await writer.append(messages(20, 'x'.repeat(4 * KIB)))
      await writer.close()
      const names = place.segments(other).map((each) => each.split('/').at(-1))
      const journal = await place.open({ clock: new SteppedClock(), retention: { ...UNLIMITED, maxBytes: 256 * KIB } })
      renameSync(place.path, join(place.root, 'away'))
      renameSync(other, place.path)
      // The first entry ends its segment, and the journal has no descriptor for a segment of the second one.
      await journal.append(messages(100, 'x'.repeat(4 * KIB)))
      await expect(journal.append(messages(1))).rejects.toMatchObject(unavailable)
      await journal.close()
      expect(place.segments().map((each) => each.split('/').at(-1))).toEqual(names)
    })
  })

  it.skipIf(process.platform === 'win32')(
    'continues, also with new segments, while its process has no free descriptor',
    async () => {
      const script = 'ulimit -n 64 && exec "$@"'
      const program = run('sh', ['-c', script, 'sh', process.execPath, fixture('exhausted.mjs'), place.path])
      expect(await program.end()).toBe(0)
      expect(program.lines[0]).toBe('EMFILE')
      expect(program.lines.slice(1, -1)).toEqual(Array.from({ length: 60 }, (_, index) => `acked ${index + 1}`))
      // The journal has removed old segments, too.
      expect(program.lines.at(-1)).not.toContain('0000000000000001.log')
    },
  )

  describe('when the clock is set', () => {
    it.each([
      ['forward by ten minutes', 600_000],
      ['forward by three hours', 10_800_000],
      ['back by an hour', -3_600_000],
    ])('%s keeps what it has for HISTORY_TTL', async (_, stepMs) => {
      let [setByMs, laterMs] = [0, 0]
      const clock: Clock = Object.assign(new SteppedClock(), {
        now: () => Date.now() + setByMs + laterMs,
        monotonic: () => systemClock.monotonic() + laterMs,
      })
      const journal = await place.open({ retention: { ...UNLIMITED, maxAgeMs: 300_000 }, clock })
      const fillSegment = async (): Promise<void> => {
        for (const before = place.segment; place.segment === before;) {
          await journal.append(messages(100, 'x'.repeat(64 * KIB)))
        }
      }
      await fillSegment()
      setByMs = stepMs
      laterMs = 200_000
      await fillSegment()
      expect(place.segments()[0]).toMatch(/0000000000000001\.log$/)
      laterMs = 400_000
      await fillSegment()
      await journal.close()
      expect(place.segments()[0]).not.toMatch(/0000000000000001\.log$/)
    })
  })

  it.runIf(process.platform === 'linux')('in a file system without directories is refused', async () => {
    for (const path of ['/proc/x', '/proc/lastcall/journal', '/sys/x']) {
      await expect(place.open({}, path)).rejects.toMatchObject({ code: 'journal_unusable', temporary: false })
    }
    await expect(place.open({}, '/proc/x')).rejects.toThrow(/\/proc\/x: its file system makes no directories in \/proc/)
  })

  it('creates its parent directories', async () => {
    const path = join(place.root, 'one', 'two', 'three')
    expect((await place.read(path)).lastOffset).toBe(0)
    expect(statSync(dirname(path)).isDirectory()).toBe(true)
  })
})

const markOf = (segment: string): Buffer =>
  Buffer.from(/"mark":"([0-9a-f]{16})"/.exec(readFileSync(segment, 'latin1'))?.[1] ?? '', 'hex')
