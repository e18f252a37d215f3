/**
 * Preloaded by `node --import`: changes the line of a defect (defects.ts) while Node loads its file. The environment variable
 * SIMULATED_DEFECT names the defect.
 */
import { register, type LoadHook } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { DEFECTS, isDefect } from './defects.js'

const name = process.env['SIMULATED_DEFECT'] ?? ''
if (!isDefect(name)) throw new Error(`SIMULATED_DEFECT=${name}: must be one of ${Object.keys(DEFECTS).join(', ')}`)
const { file, from, to } = DEFECTS[name]

// Node runs the hook in a thread of its own, which loads this file, too.
if (isMainThread) register(import.meta.url)

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context)
  if (!url.endsWith(`/${file}`)) return loaded
  const text = loaded.source instanceof Uint8Array ? Buffer.from(loaded.source).toString() : ''
  const pieces = text.split(from)
  if (pieces.length !== 2) throw new Error(`${file} contains ${pieces.length - 1} times: ${from}`)
  return { ...loaded, source: pieces.join(to) }
}
