/**
 * The crowd, as several processes: most of them make the load, a small one measures how long messages take, for in a
 * process that hears thousands of frames a second a message waits for the others to be read.
 */
import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEvents } from '../chaos/history-events.js'

const PROGRAM = fileURLToPath(new URL('crowd.mjs', import.meta.url))

export class Crowds {
  #parts
  #folder

  /**
   * @param {object} options
   * @param {string} options.folder
   * @param {readonly { name: string, libraries: number, plain: number, perSecond: number }[]} options.parts
   * @param {string} options.endpoint
   * @param {number} options.seed
   * @param {number} options.startMs When the history began.
   */
  constructor({ folder, parts, ...common }) {
    this.#folder = folder
    this.#parts = parts.map((part) => ({ ...part, child: fork(PROGRAM, [JSON.stringify({ ...part, ...common })]) }))
  }

  /** Resolves when everybody is in, with the rooms. */
  async gather() {
    const rooms = []
    for (const part of this.#parts) rooms.push(...(await ask(part, 'gather')))
    return rooms
  }

  async talk() {
    await Promise.all(this.#parts.map((part) => ask(part, 'talk', { perSecond: part.perSecond })))
  }

  /** Resolves when everybody has been answered and has heard what there is to hear. */
  async settle() {
    await Promise.all(this.#parts.map((part) => ask(part, 'fallSilent')))
    const upTo = await ask(this.#parts[0], 'sayTheLastWord')
    await Promise.all(this.#parts.map((part) => ask(part, 'hear', { upTo })))
  }

  /** Everybody goes. Resolves with what happened to all of them, in order. */
  async end() {
    const events = []
    for (const part of this.#parts) {
      const file = join(this.#folder, `${part.name}.json`)
      await ask(part, 'end', { file })
      for (const event of parseEvents(readFileSync(file, 'utf8'))) events.push(event)
      part.child.disconnect()
    }
    return events
  }

  destroy() {
    for (const { child } of this.#parts) child.kill('SIGKILL')
  }
}

function ask({ name, child }, command, given) {
  return new Promise((resolve, reject) => {
    const onExit = (code) => reject(new Error(`the part ${name} of the crowd ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', ({ result }) => {
      child.off('exit', onExit)
      resolve(result)
    })
    child.send({ command, given })
  })
}
