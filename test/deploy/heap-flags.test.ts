/**
 * Every start command of the repository gives Node the same flags (docs/adr/0012) as the installed command.
 */
import { expect, test } from 'vitest'
import { read } from './settings.js'

/** The flags between `node` and the command, as a shell or JSON writes them. */
const flagsIn = (text: string): string[] => {
  const words = /\bnode\b"?,?((?:\s+"?--[\w=-]+"?,?)+)/.exec(text)?.[1] ?? ''
  return words.match(/--[\w=-]+/g) ?? []
}

test.each([
  ['npm start', read('../package.json')],
  ['the image', read('docker/Dockerfile')],
  ['the unit', read('systemd/lastcall.service')],
  ['what operators are told', read('../docs/operations.md').replaceAll('`', '').replace('give Node', 'node')],
])('%s has the flags of the installed command', (_, text) => {
  const flags = flagsIn(read('../packages/server/bin/lastcall.js'))
  expect(flags).toContain('--max-semi-space-size=4')
  expect(flagsIn(text)).toEqual(flags)
})
