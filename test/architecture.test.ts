/**
 * The directions of the imports of ARCHITECTURE.md, as dependency-cruiser checks them.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { removeFolder } from '../packages/server/test/support/remove-folder.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CRUISER = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')

interface Report {
  readonly summary: {
    readonly totalCruised: number
    readonly violations: readonly {
      readonly from: string
      readonly to: string
      readonly rule: { readonly name: string }
    }[]
  }
}

const cruise = (folder: string): Promise<Report['summary']> =>
  new Promise((resolve, reject) => {
    const args = [
      CRUISER,
      '--output-type',
      'json',
      'packages/client/src',
      'packages/protocol/src',
      'packages/server/src',
    ]
    const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 }
    execFile(process.execPath, args, options, (error, stdout) => {
      // The exit code is the number of violations. Without a report dependency-cruiser itself failed.
      if (stdout === '') reject(error ?? new Error('no report'))
      else resolve((JSON.parse(stdout) as Report).summary)
    })
  })

test('imports point inwards', async () => {
  const { violations, totalCruised } = await cruise(ROOT)
  expect(violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual([])
  expect(totalCruised).toBeGreaterThan(30)
}, 120_000)

test('each rule rejects an import that it forbids', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-architecture-'))
  onTestFinished(() => removeFolder(folder))
  const server = 'packages/server/src'
  const forbidden: readonly (readonly [rule: string, from: string, to: string])[] = [
    ['no-circular', `${server}/hub/a.ts`, './b.js'],
    ['connections-know-no-hub', `${server}/connections/delivery.ts`, '../hub/b.js'],
    ['hub-knows-no-session', `${server}/hub/told.ts`, '../sessions/socket.js'],
    ['inwards', `${server}/shutdown/manager.ts`, '../http/app.js'],
    ['inwards', `${server}/connections/connection.ts`, '../websocket/frame.js'],
    ['journal-is-innermost', `${server}/journal/journal.ts`, '../connections/connection.js'],
    ['inwards', `${server}/shutdown/told.ts`, '../systemd/notifier.js'],
    ['inwards', `${server}/sessions/socket.ts`, '../websocket/frame.js'],
    ['inwards', `${server}/presence/page.ts`, '../http/app.js'],
    ['journal-is-innermost', `${server}/journal/greeting.ts`, '../sessions/socket.js'],
    ['journal-by-its-interface', `${server}/hub/hub.ts`, '../journal/open-journal.js'],
    ['engines-by-open-journal', `${server}/compose-journal.ts`, './journal/memory-journal.js'],
    ['drivers-by-journal', `${server}/connections/store.ts`, 'lmdb'],
    ['ws-by-websocket', `${server}/http/socket.ts`, 'ws'],
    ['fastify-by-http', `${server}/serve.ts`, 'fastify'],
    ['pino-by-logger', `${server}/hub/logging.ts`, 'pino'],
    ['prom-client-by-metrics', `${server}/http/metrics.ts`, 'prom-client'],
    ['cluster-by-workers', `${server}/startup-warnings.ts`, 'node:cluster'],
    ['workers-by-command', `${server}/http/health.ts`, '../workers/primary.js'],
    ['systemd-by-the-command', `${server}/cli.ts`, './systemd/notifier.js'],
    ['zod-by-config-and-http', `${server}/sessions/message-handler.ts`, 'zod'],
    ['leaves', `${server}/errors.ts`, 'node:util'],
    ['protocol-depends-on-nothing', 'packages/protocol/src/texts.ts', 'node:crypto'],
    ['client-depends-on-nothing', 'packages/client/src/client.ts', '../../protocol/src/texts.js'],
    ['not-to-tests', `${server}/hub/tested.ts`, '../../test/helper.js'],
    ['declared', `${server}/hub/dev.ts`, 'vitest'],
    ['resolvable', `${server}/hub/lost.ts`, './nowhere.js'],
  ]
  const put = (file: string, text: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const bystanders = [
    'http/app',
    'websocket/frame',
    'journal/open-journal',
    'journal/memory-journal',
    'workers/primary',
    'systemd/notifier',
  ]
  for (const name of bystanders) put(`${server}/${name}.ts`, 'export type T = 1\n')
  put('packages/server/test/helper.ts', 'export type T = 1\n')
  put(`${server}/hub/b.ts`, `export type * as other from './a.js'\n`)
  // Together with connections/delivery.ts above this makes a cycle between two folders, but none between their files.
  put(`${server}/hub/reader.ts`, `export type * as other from '../connections/connection.js'\n`)
  for (const [rule, from, to] of forbidden) {
    // An import of a type makes one folder depend on another, but needs no package at run time.
    put(from, `export ${rule === 'declared' ? '' : 'type '}* as other from '${to}'\n`)
  }
  for (const file of [
    '.dependency-cruiser.cjs',
    'tsconfig.base.json',
    'package.json',
    'packages/server/package.json',
  ]) {
    copyFileSync(join(ROOT, file), join(folder, file))
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))

  const { violations } = await cruise(folder)
  const found = violations.map(({ rule, from }) => `${rule.name}: ${from}`)
  const expected = [...forbidden.map(([rule, from]) => `${rule}: ${from}`), `no-folder-cycles: ${server}/hub`]
  expect(expected.filter((each) => !found.includes(each))).toEqual([])
}, 120_000)
