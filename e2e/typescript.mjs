/**
 * Lets the scripts here import the brokers of the tests, which are TypeScript: Node 20 runs no TypeScript by itself.
 */
import { existsSync, readFileSync } from 'node:fs'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'

const isTypeScript = (url) => url.startsWith('file:') && url.endsWith('.ts')

/** `./x.js`, in TypeScript, is the file `./x.ts`. */
export async function resolve(specifier, context, nextResolve) {
  if (specifier.startsWith('.') && specifier.endsWith('.js') && isTypeScript(context.parentURL ?? '')) {
    const url = new URL(`${specifier.slice(0, -2)}ts`, context.parentURL)
    if (existsSync(fileURLToPath(url))) return { url: url.href, format: 'module', shortCircuit: true }
  }
  return await nextResolve(specifier, context)
}

export async function load(url, context, nextLoad) {
  if (!isTypeScript(url)) return await nextLoad(url, context)
  const { transform } = await import('esbuild')
  const { code } = await transform(readFileSync(fileURLToPath(url), 'utf8'), { loader: 'ts', target: 'es2023' })
  return { format: 'module', source: code, shortCircuit: true }
}

/**
 * @param {string} path From the root of the repository.
 * @returns {Promise<object>} The module.
 */
export async function importTypeScript(path) {
  register(import.meta.url)
  return await import(new URL(`../${path}`, import.meta.url).href)
}
