/**
 * Bundles the chat page into packages/server/dist/page/: its scripts, `@lastcall/client` as client.js, which the page imports,
 * and the files that need no build.
 *
 *   node dist/scripts/bundle-page.js
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, type BuildOptions } from 'esbuild'
import { ROOT } from './repository.js'

const SOURCE = join(ROOT, 'packages/server/page')
const TARGET = join(ROOT, 'packages/server/dist/page')

const STATIC_FILES = ['index.html', 'page.css', 'icon.svg']

/** The server serves the page's scripts in /page/, and the client beside that. */
const CLIENT_ADDRESS = '../client.js'

const OPTIONS: BuildOptions = {
  outdir: TARGET,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  logLevel: 'warning',
}

rmSync(TARGET, { recursive: true, force: true })
for (const name of STATIC_FILES) cpSync(join(SOURCE, name), join(TARGET, name))
await build({ ...OPTIONS, entryPoints: { client: join(ROOT, 'packages/client/dist/index.js') } })
await build({
  ...OPTIONS,
  entryPoints: [join(SOURCE, 'page.ts'), join(SOURCE, 'theme.ts')],
  plugins: [
    {
      name: 'the client is a file of its own',
      setup(bundling) {
        bundling.onResolve({ filter: /^@lastcall\/client$/ }, () => ({ path: CLIENT_ADDRESS, external: true }))
      },
    },
  ],
})
