#!/usr/bin/env node
/**
 * The fault matrix of docs/operations.md, one row after the other: a real server, a real fault, and what the server must
 * do about it. Prints a line with figures for each row. Exit code 1 at a violation.
 *
 *   npm run faults -- [NAME ...]     these rows; default: all
 *   --short                          with fewer messages
 *
 * Some rows mount file systems: in a mount namespace of this process, so that nothing of them is left behind. Where this
 * user may not make one, these rows are skipped and the reason is printed.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as disk from './faults/disk-rows.mjs'
import * as keys from './faults/key-rows.mjs'
import * as processes from './faults/process-rows.mjs'
import { killAll } from './faults/subject.mjs'

/** `mounts`: the row needs a mount namespace. */
const ROWS = {
  'full-disk': { run: disk.fullDisk, mounts: true },
  'read-only-disk': { run: disk.readOnlyDisk, mounts: true },
  'slow-disk': { run: disk.slowDisk },
  'silent-disk': { run: disk.silentDisk },
  'vanished-disk': { run: disk.vanishedDisk },
  'unmounted-disk': { run: disk.unmountedDisk, mounts: true },
  'replaced-disk': { run: disk.replacedDisk },
  'hung-worker': { run: processes.hungWorker },
  'set-clock': { run: processes.setClock },
  'no-descriptors': { run: processes.noDescriptors },
  'stopped-log-reader': { run: processes.stoppedLogReader },
  'keys-down': { run: keys.keysDown },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    // What this file runs itself with.
    'in-namespace': { type: 'boolean', default: false },
    folder: { type: 'string' },
  },
})

/** How this user gets a mount namespace; `undefined`: not at all. */
function namespaceOf() {
  const ways = [
    ['unshare', '--mount'],
    ['unshare', '--user', '--map-root-user', '--mount'],
  ]
  const probe = ['sh', '-c', 'mount -t tmpfs lastcall-faults /mnt']
  return ways.find(([program, ...args]) => spawnSync(program, [...args, ...probe]).status === 0)
}

/** Runs this file again in a mount namespace. Resolves with the exit code. */
function runInNamespace([program, ...args], folder) {
  const again = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--in-namespace', '--folder', folder]
  const child = spawn(program, [...args, process.execPath, ...again], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => child.kill(signal))
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

const say = (name, outcome, text) => console.log(`${name.padEnd(19)} ${outcome.padEnd(10)} ${text}`)

/** Runs a row. Resolves with its outcome. */
async function runRow(name, { root, mayMount }) {
  const { run, mounts = false } = ROWS[name]
  if (mounts && !mayMount) {
    say(name, 'skipped', 'this user may not make a mount namespace (unshare --mount)')
    return 'skipped'
  }
  const folder = join(root, name)
  mkdirSync(folder)
  try {
    const skip = (reason) => say(name, 'in part', reason)
    const figures = await run({ folder, messages: values.short ? 20 : 200, skip })
    say(name, 'kept', figures)
    return 'kept'
  } catch (error) {
    say(name, 'VIOLATION', error.message)
    return 'violated'
  } finally {
    killAll()
  }
}

async function main() {
  const unknown = positionals.filter((name) => !Object.hasOwn(ROWS, name))
  if (unknown.length > 0) throw new Error(`${unknown.join()}: a row is one of ${Object.keys(ROWS).join(', ')}`)
  const names = positionals.length > 0 ? positionals : Object.keys(ROWS)
  const root = values.folder ?? mkdtempSync(join(tmpdir(), 'lastcall-faults-'))
  if (!values['in-namespace']) {
    // With the namespace its mounts have gone.
    process.once('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 3 }))
    const namespace = names.some((name) => ROWS[name].mounts) ? namespaceOf() : undefined
    if (namespace) return await runInNamespace(namespace, root)
  }
  const outcomes = []
  for (const name of names) outcomes.push(await runRow(name, { root, mayMount: values['in-namespace'] }))
  const count = (outcome) => outcomes.filter((each) => each === outcome).length
  console.log(`${count('kept')} rows kept, ${count('violated')} violated, ${count('skipped')} skipped`)
  return count('violated') > 0 ? 1 : 0
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.exit(await main())
