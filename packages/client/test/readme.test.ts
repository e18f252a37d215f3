/**
 * The snippets of README.md run unchanged, each as a file, against a real server.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from './support/real.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(ROOT, '../../node_modules/.cache')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
/** The tests in end-to-end/ run the snippets for a browser. */
const snippets = [...readme.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code as string)

/** The expected output of each snippet, in order. */
const PRINTED = [
  /^the server's journal has it at offset \d+: every client in the lobby receives it\n$/,
  /^$/,
  /^news: extra\ngames: your move\n$/,
  /^open \nclosed \n$/,
  /^738529527931269425n\n$/,
]

test('each snippet has an expectation', () => {
  expect(snippets).toHaveLength(PRINTED.length)
})

test.each(snippets.map((code, index) => [index, code] as const))(
  'snippet %i works when pasted',
  async (index, code) => {
    const server = await startServer({ presenceIntervalMs: 0, build: 'readme' })
    // In this folder Node finds `ws`.
    mkdirSync(CACHE, { recursive: true })
    const folder = mkdtempSync(join(CACHE, 'readme-'))
    onTestFinished(() => rmSync(folder, { recursive: true, maxRetries: 50, retryDelay: 100 }))
    const snippet = join(folder, 'snippet.mjs')
    writeFileSync(snippet, code.replaceAll('ws://localhost:8000/ws', server.webSocketUrl))
    // Snippets without a `webSocket` option use the global one, which Node 20 lacks.
    const prelude = join(folder, 'prelude.mjs')
    writeFileSync(prelude, "import { WebSocket } from 'ws'\nglobalThis.WebSocket ??= WebSocket\n")
    const outfile = join(folder, 'bundle.mjs')
    await build({
      entryPoints: [snippet],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      external: ['ws'],
      alias: { '@lastcall/client': join(ROOT, 'src/index.ts') },
      logLevel: 'silent',
    })
    const child = spawn(process.execPath, ['--import', pathToFileURL(prelude).href, outfile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    expect(await text(child.stdout)).toMatch(PRINTED[index] as RegExp)
    expect(await exited).toEqual([0, null])
  },
)
