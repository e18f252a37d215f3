/**
 * What a disk can do to a server: be full, read-only, slow or silent, vanish, be replaced. After each fault a restarted
 * server must have every acknowledged message once.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  closeSync,
  openSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Subject } from './subject.mjs'
import { mustHaveAll, Visitor } from './visitor.mjs'
import { eventually, inWords, must, within } from './within.js'
import { ROOT } from '../../scripts/repository.js'

const SLOW_DISK = fileURLToPath(new URL('preload-slow-disk.mjs', import.meta.url))
const STALLING_DISK = join(ROOT, 'packages/server/test/journal/fixtures/stalling-disk.mjs')

const KIB = 1024

/** Runs a program of the system; throws what it complains of. */
function run(program, ...args) {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  must(status === 0, `${program} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
}

const journalIn = (folder) => ({ JOURNAL_URL: `file:${join(folder, 'journal')}` })

/** A server on this journal, and a client that has published there. */
async function begin({ env, options, messages }) {
  const subject = await Subject.serving(env, options)
  const anna = await Visitor.connect(subject.webSocketUrl, 'anna')
  await anna.publishAll(messages)
  return { subject, anna }
}

/** Stops the server, starts another one on the same journal, and reads it. */
async function mustSurviveRestart({ subject, anna, env }) {
  const { code } = await subject.stop()
  must(code === 0, `the server ended with ${code}`)
  const next = await Subject.serving(env)
  await mustHaveAll(next.webSocketUrl, anna.welcome.cursor, anna.acked)
  await next.stop()
}

const journalIs = (subject, state) =>
  eventually(`the journal "${state}" in /health`, async () => (await subject.get('health')).journal === state)

const counts = ({ acked, refused }) => `${acked.length} acknowledged, ${refused.length} refused`

export async function fullDisk({ folder, messages }) {
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  run('mount', '-t', 'tmpfs', '-o', 'size=6m', 'lastcall-faults', disk)
  const env = { ...journalIn(disk), HISTORY_BYTES: '1m' }
  const { subject, anna } = await begin({ env, messages })
  const ballast = join(disk, 'ballast')
  let ballastBytes = fill(ballast)
  const noticedMs = await anna.publishUntil(false, 5 * KIB)
  await journalIs(subject, 'down')
  // Room comes back in small steps; each of them takes a part of a write.
  for (let step = 0; step < 20; step++) {
    ballastBytes -= 4 * KIB
    truncateSync(ballast, ballastBytes)
    await anna.publish(9 * KIB)
    await sleep(50)
  }
  rmSync(ballast)
  const backMs = await anna.publishUntil(true)
  await anna.publishAll(messages)
  await journalIs(subject, 'up')
  await mustSurviveRestart({ subject, anna, env })
  return `${counts(anna)}; refused after ${inWords(noticedMs)}, back ${inWords(backMs)} after there was room`
}

/** Fills up a file system with one file; the answer is its size. */
function fill(file) {
  const { bavail, bsize } = statfsSync(join(file, '..'))
  writeFileSync(file, Buffer.alloc(bavail * bsize))
  return bavail * bsize
}

export async function readOnlyDisk({ folder, messages, skip }) {
  const [image, disk] = [join(folder, 'image'), join(folder, 'read-only')]
  mkdirSync(disk)
  run('mount', '-t', 'tmpfs', '-o', 'ro', 'lastcall-faults', disk)
  const refused = new Subject(journalIn(disk))
  const { code } = await within('the end of the server', refused.ended)
  must(code === 1, `on a read-only disk the start ended with ${code}`)
  const atStart = 'at the start: exit code 1'
  run('umount', disk)

  writeFileSync(image, Buffer.alloc(8 * KIB * KIB))
  run('mkfs.ext4', '-q', image)
  if (spawnSync('mount', ['-o', 'loop', image, disk]).status !== 0) {
    skip('no loop device may be mounted: only the start was tried')
    return atStart
  }
  const env = journalIn(disk)
  const { subject, anna } = await begin({ env, messages })
  // As ext4 does by itself after an error of the device.
  run('mount', '-o', 'remount,abort', disk)
  const noticedMs = await anna.publishUntil(false)
  await journalIs(subject, 'down')
  must(anna.isConnected, 'the client was disconnected')
  await subject.stop()
  run('umount', disk)
  run('mount', '-o', 'loop', image, disk)
  const next = await Subject.serving(env)
  await mustHaveAll(next.webSocketUrl, anna.welcome.cursor, anna.acked)
  await next.stop()
  run('umount', disk)
  return `${atStart}; later: ${counts(anna)}, refused after ${inWords(noticedMs)}; whole after a restart`
}

export async function slowDisk({ folder, messages }) {
  const SLOW_DISK_MS = 400
  const env = { ...journalIn(folder), SLOW_DISK_MS: String(SLOW_DISK_MS) }
  const { subject, anna } = await begin({ env, options: { preload: SLOW_DISK }, messages: 5 })
  // They wait together: one write takes what has come meanwhile.
  const answers = await Promise.all(Array.from({ length: messages }, () => anna.publish()))
  must(!answers.includes(false), 'a message was refused')
  const { journal } = await subject.get('health')
  must(journal === 'up', `the journal is "${journal}" in /health`)
  const shortestMs = Math.min(...anna.waitsMs)
  must(shortestMs >= SLOW_DISK_MS - 1, `an ack came after ${inWords(shortestMs)}, before the disk had answered`)
  await mustSurviveRestart({ subject, anna, env })
  return `${counts(anna)}; with ${SLOW_DISK_MS} ms for each write an ack took ${inWords(shortestMs)} to ${anna.p99}`
}

export async function silentDisk({ folder, messages }) {
  const pipe = join(folder, 'pipe')
  run('mkfifo', pipe)
  const env = {
    ...journalIn(folder),
    STALL_PIPE: pipe,
    JOURNAL_TIMEOUT: '1',
  }
  const { subject, anna } = await begin({ env, options: { preload: STALLING_DISK }, messages })
  const toggled = async (text) => {
    const from = subject.lines.length
    subject.signal('SIGUSR2')
    await subject.logged('stdout', { fits: (line) => line.text === text, from })
  }
  await toggled('stalled true')
  const noticedMs = await anna.publishUntil(false)
  await journalIs(subject, 'down')
  await toggled('stalled false')
  // The write that hung goes on.
  closeSync(openSync(pipe, 'w'))
  const backMs = await anna.publishUntil(true)
  await anna.publishAll(messages)
  await toggled('stalled true')
  await anna.publishUntil(false)
  const startMs = performance.now()
  const { code } = await subject.stop()
  must(code !== 0, 'the exit code of a shutdown that gave up its journal is 0')
  const endedMs = performance.now() - startMs
  const next = await Subject.serving(env)
  await mustHaveAll(next.webSocketUrl, anna.welcome.cursor, anna.acked)
  await next.stop()
  return `${counts(anna)}; refused after ${inWords(noticedMs)}, back after ${inWords(backMs)}; SIGTERM ended it in ${inWords(endedMs)}`
}

const STRANGE_FILE = 'of-somebody-else'

/** Moves the directory of the journal away and back; meanwhile another one may be in its place. */
async function movedAway({ folder, messages }, { isReplaced }) {
  const env = journalIn(folder)
  const { subject, anna } = await begin({ env, messages })
  const [path, away] = [join(folder, 'journal'), join(folder, 'away')]
  renameSync(path, away)
  if (isReplaced) {
    mkdirSync(path)
    writeFileSync(join(path, STRANGE_FILE), '')
  }
  const ackedBefore = anna.acked.length
  const noticedMs = await anna.publishUntil(false)
  await journalIs(subject, 'down')
  const meanwhile = anna.acked.length - ackedBefore
  if (isReplaced) must(readdirSync(path).join() === STRANGE_FILE, 'the server wrote into the other directory')
  else must(!existsSync(path), 'the server made a new directory')
  rmSync(path, { recursive: true, force: true })
  renameSync(away, path)
  const backMs = await anna.publishUntil(true)
  await mustSurviveRestart({ subject, anna, env })
  return (
    `${counts(anna)}; refused after ${inWords(noticedMs)} and ${meanwhile} more acks, ` +
    `back ${inWords(backMs)} after the directory was`
  )
}

export const vanishedDisk = (surroundings) => movedAway(surroundings, { isReplaced: false })

export const replacedDisk = (surroundings) => movedAway(surroundings, { isReplaced: true })

export async function unmountedDisk({ folder, messages }) {
  const [device, disk] = ['device', 'disk'].map((name) => join(folder, name))
  for (const path of [device, disk]) mkdirSync(path)
  run('mount', '-t', 'tmpfs', '-o', 'size=64m', 'lastcall-faults', device)
  run('mount', '--bind', device, disk)
  const env = journalIn(disk)
  const { subject, anna } = await begin({ env, messages })
  run('umount', '--lazy', disk)
  const noticedMs = await anna.publishUntil(false)
  await journalIs(subject, 'down')
  must(readdirSync(disk).length === 0, 'the server wrote beside the disk')
  run('mount', '--bind', device, disk)
  const backMs = await anna.publishUntil(true)
  await mustSurviveRestart({ subject, anna, env })
  return `${counts(anna)}; refused after ${inWords(noticedMs)}, back ${inWords(backMs)} after it was mounted`
}
