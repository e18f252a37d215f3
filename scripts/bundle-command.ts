/**
 * Bundles the command `lastcall` with its libraries into a few files: Node then reads some files instead of a thousand, and a
 * start takes a third of the time. A library that a start does not need is in a file of its own.
 *
 *   node dist/scripts/bundle-command.js
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'
import { ROOT } from './repository.js'

/** These read files that stand beside their own. */
const READ_FILES = ['@fastify/swagger', '@fastify/swagger-ui']

/** Fastify would load these to compile schemas and to imitate requests: see http/schema-compilers.ts. */
const NEVER_LOADED = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request']

/** Libraries in CommonJS expect it. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/**
 * @param folder The folder of the package `lastcall`, compiled. Its `dist/command/` is replaced. Files there are as
 *   deep as those that find the page and package.json by their own address.
 */
export function bundleCommand(folder: string): void {
  const outdir = join(folder, 'dist/command')
  rmSync(outdir, { recursive: true, force: true })
  buildSync({
    entryPoints: [join(folder, 'dist/cli.js')],
    outdir,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: [...READ_FILES, ...NEVER_LOADED],
    banner: { js: REQUIRE },
    // Names stay, for the stacks of errors.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'linked',
    logLevel: 'warning',
  })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  bundleCommand(join(ROOT, 'packages/server'))
}
