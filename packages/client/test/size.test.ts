/**
 * The size of the client on a page: bundled, minified and gzipped.
 *
 * The bounds were raised from 6 KiB when the client began to check each frame before it uses it, to explain its state, to
 * treat cursors as opaque, to obey a server's hints, to reject data that JSON would lose, and to report each welcome. The
 * first bound does not include `sessionStore`: a bundler drops it where no code imports it.
 */
import { gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

test.each([
  ['connect', '{ connect, ClientError }', 7.85 * 1024],
  ['all exports', '*', 8.25 * 1024],
])('%s: the bundle keeps within its bound, and needs nothing else', async (_what, exports, maxBytes) => {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `export ${exports} from './index.ts'`,
      resolveDir: fileURLToPath(new URL('../src', import.meta.url)),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  const [output] = Object.values(metafile.outputs)
  expect(output?.imports).toEqual([])
  const inputs = Object.keys(metafile.inputs).filter((path) => path !== '<stdin>')
  expect(inputs.filter((path) => !path.includes('packages/client/src/'))).toEqual([])
  expect(gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length).toBeLessThanOrEqual(maxBytes)
})
