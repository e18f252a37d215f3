/**
 * The compiler checks every source file of this repository: a file that no project includes would compile nowhere, and its
 * mistakes would appear when a user runs it.
 */
import { readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { ROOT } from '../scripts/repository.js'

const IS_SOURCE = /\.[cm]?[jt]s$/
const IS_TYPESCRIPT = /\.[cm]?ts$/
const IGNORED_FOLDERS = new Set(['node_modules', 'dist', 'coverage', '.git'])
/** JavaScript that is not checked yet. */
const UNCHECKED = /^(e2e|packages\/server\/test\/journal\/fixtures)\/.*\.(mjs|d\.mts)$/

/** The files of a project and of the projects that it references. */
function checkedBy(config: string, seen = new Set<string>()): string[] {
  const file = statSync(config).isDirectory() ? join(config, 'tsconfig.json') : config
  if (seen.has(file)) return []
  seen.add(file)
  const read = ts.readConfigFile(file, (path) => ts.sys.readFile(path))
  expect(read.error).toBeUndefined()
  const {
    fileNames,
    projectReferences = [],
    options,
  } = ts.parseJsonConfigFileContent(read.config, ts.sys, dirname(file))
  const checked = options.checkJs === true ? fileNames : fileNames.filter((name) => IS_TYPESCRIPT.test(name))
  return [...checked, ...projectReferences.flatMap(({ path }) => checkedBy(path, seen))]
}

const sourcesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return IGNORED_FOLDERS.has(entry.name) ? [] : sourcesIn(path)
    return IS_SOURCE.test(entry.name) ? [path] : []
  })

test('the compiler checks every source file of the repository', () => {
  const checked = new Set(checkedBy(join(ROOT, 'tsconfig.json')))
  expect(checked.size).toBeGreaterThan(300)
  const unchecked = sourcesIn(ROOT)
    .filter((file) => !checked.has(file))
    .map((file) => relative(ROOT, file))
  expect(unchecked.filter((file) => !UNCHECKED.test(file))).toEqual([])
})
