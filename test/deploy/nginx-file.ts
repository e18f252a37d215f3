/**
 * deploy/nginx/nginx.conf, adapted to a test.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { temporaryFolder } from './proxied.js'
import { read } from './settings.js'

export const TEXT = read('nginx/nginx.conf')

/** The ports of nginx and of the two servers behind it. */
interface Places {
  readonly listen: number
  readonly a: number
  readonly b: number
}

interface Adapted {
  readonly args: readonly string[]
  readonly accessLog: string
}

/** Replaces a text that the file contains once. */
export type Change = readonly [from: string, to: string]

/** The file with these ports, with folders that an ordinary user may write to, and with these changes. */
export function adapt({ listen, a, b }: Places, more: readonly Change[] = []): Adapted {
  const folder = temporaryFolder()
  const accessLog = join(folder, 'access.log')
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = kinds.map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(' ')
  mkdirSync(join(folder, 'logs'))
  const file = join(folder, 'nginx.conf')
  const changes: readonly Change[] = [
    ...more,
    ['http {', `http { ${paths}`],
    ['/var/log/nginx/access.log', accessLog],
    ['listen 80;', `listen 127.0.0.1:${listen};`],
    ['127.0.0.1:8001', `127.0.0.1:${a}`],
    ['127.0.0.1:8002', `127.0.0.1:${b}`],
  ]
  let text = TEXT
  for (const [from, to] of changes) {
    expect(text.split(from)).toHaveLength(2)
    text = text.replace(from, to)
  }
  writeFileSync(file, text)
  const globals = `daemon off; pid ${join(folder, 'pid')}; error_log stderr;`
  return { args: ['-p', folder, '-e', 'stderr', '-c', file, '-g', globals], accessLog }
}
