/**
 * A server that is another one than this: a copy of the built one with some lines changed. A defect, say, or the build of
 * tomorrow.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleCommand } from '../scripts/bundle-command.js'
import { ROOT } from '../scripts/repository.js'

export interface Change {
  /** A built file of the server, or one that begins with `@lastcall/protocol/`. */
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface ChangedServer {
  readonly cli: string
  readonly remove: () => void
}

/**
 * @returns Its command.
 * @throws {Error} What is to be changed is not there, or not once.
 */
export function changedServer(changes: readonly Change[]): ChangedServer {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-changed-'))
  const server = join(folder, 'packages/server')
  copy('packages/server', server, ['bin', 'dist', 'package.json'])
  // Node finds these before those of the workspace: the copied protocol, and what npm installed for the server alone.
  const protocol = join(server, 'node_modules/@lastcall/protocol')
  copy('packages/protocol', protocol, ['dist', 'package.json'])
  const own = join(ROOT, 'packages/server/node_modules')
  for (const name of existsSync(own) ? readdirSync(own) : []) {
    if (!name.startsWith('.') && name !== '@lastcall') symlinkSync(join(own, name), join(server, 'node_modules', name))
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const { file, from, to } of changes) {
    const [, ofProtocol] = file.split('@lastcall/protocol/')
    const path = ofProtocol === undefined ? join(server, 'dist', file) : join(protocol, 'dist', ofProtocol)
    const pieces = readFileSync(path, 'utf8').split(from)
    if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`)
    writeFileSync(path, pieces.join(to))
  }
  bundleCommand(server)
  return { cli: join(server, 'bin/lastcall.js'), remove: () => rmSync(folder, { recursive: true, force: true }) }
}

function copy(from: string, to: string, parts: readonly string[]): void {
  mkdirSync(to, { recursive: true })
  for (const part of parts) cpSync(join(ROOT, from, part), join(to, part), { recursive: true })
}
