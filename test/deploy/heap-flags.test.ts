/**
 * Every way to start the server that is ours gives Node the same flags (docs/adr/0012): those of the installed command.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { read } from './settings.js'

const ours = (file: string): string => readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')

/** What stands between `node` and the command, as a shell or as JSON has it. */
const flagsIn = (text: string): string[] => {
  const words = /\bnode\b"?,?((?:\s+"?--[\w=-]+"?,?)+)/.exec(text)?.[1] ?? ''
  return words.match(/--[\w=-]+/g) ?? []
}

test.each([
  ['npm start', ours('package.json')],
  ['the image', read('docker/Dockerfile')],
  ['the unit', read('systemd/lastcall.service')],
  ['what operators are told', ours('docs/operations.md').replaceAll('`', '').replace('give Node', 'node')],
])('%s has the flags of the installed command', (_, text) => {
  const flags = flagsIn(ours('packages/server/bin/lastcall.js'))
  expect(flags).toContain('--max-semi-space-size=4')
  expect(flagsIn(text)).toEqual(flags)
})
