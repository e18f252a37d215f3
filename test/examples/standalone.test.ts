/**
 * The compiler checks the program of docs/standalone.md unchanged, so that it lacks no member that a type demands.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

const OPTIONS = [
  '--noEmit',
  '--strict',
  '--allowJs',
  '--checkJs',
  '--noImplicitAny',
  'false',
  '--target',
  'es2023',
  '--module',
  'nodenext',
  '--skipLibCheck',
  '--types',
  'node',
]

/** The errors of the compiler, one per line. */
const compile = (folder: string, file: string): Promise<string> =>
  new Promise((resolve) => {
    execFile(process.execPath, [TSC, ...OPTIONS, file], { cwd: folder }, (_error, stdout) => resolve(stdout))
  })

function place(name: string, program: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-standalone-'))
  onTestFinished(() => removeFolder(folder))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, name), program)
  return folder
}

const snippet = (): string => {
  const document = readFileSync(join(ROOT, 'docs/standalone.md'), 'utf8')
  const [, program] = /```js\n([^]*?)```/.exec(document) ?? []
  if (program === undefined) throw new Error('docs/standalone.md has no program')
  return program
}

test('the program of docs/standalone.md satisfies the types of the package', async () => {
  expect(await compile(place('program.js', snippet()), 'program.js')).toBe('')
})

test('a program whose transport lacks a member does not satisfy them', async () => {
  const program = snippet()
  const lacking = program.replace('    terminate: () => socket.terminate(),\n', '')
  expect(lacking).not.toBe(program)
  expect(await compile(place('program.js', lacking), 'program.js')).toContain("Property 'terminate' is missing")
})
