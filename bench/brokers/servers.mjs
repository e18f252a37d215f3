/**
 * The instances of a measurement: real processes with the flags of `npm start`, and what each costs. A line that an instance
 * logs as an error ends the measurement.
 */
import { fileURLToPath } from 'node:url'
import { Instance } from '../../e2e/chaos/instance.mjs'

export const CLI = fileURLToPath(new URL('../../packages/server/bin/lastcall.js', import.meta.url))
const FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=100']
const ENV = {
  BROADCAST_INTERVAL: '0',
  MAX_MESSAGES_PER_MINUTE: '0',
  LOG_LEVEL: 'info',
  SESSION_SECRET: 'a secret of the measurement, which is no secret at all',
  SHUTDOWN_MODE: 'wait',
  SHUTDOWN_TIMEOUT: '1',
}

/**
 * Starts instances one after the other. Resolves when all of them serve.
 *
 * @param {object} options
 * @param {readonly string[]} options.names
 * @param {string} options.url Of the journal.
 * @param {string} options.cli The command's file.
 * @param {string | undefined} options.profiles A folder for CPU profiles.
 * @returns {Promise<{ name: string, port: number, pid: number, stop: () => Promise<void> }[]>}
 */
export async function startServers({ names, url, cli, profiles }) {
  const servers = []
  for (const name of names) servers.push(await startServer({ name, url, cli, profiles }))
  return servers
}

async function startServer({ name, url, cli, profiles }) {
  const faults = []
  const instance = new Instance({
    ...{ name, cli, history: { record: (_, fault) => faults.push(fault.text) } },
    env: { ...ENV, JOURNAL_URL: url },
    flags: [...FLAGS, ...(profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}`] : [])],
  })
  const kill = () => instance.kill('SIGKILL')
  process.once('exit', kill)
  const { port } = await instance.logged('listening')
  return {
    name,
    port,
    pid: instance.pid,
    async stop() {
      await instance.stop()
      process.off('exit', kill)
      if (faults.length > 0) throw new Error(`${name} logged errors:\n${faults.join('\n')}`)
    },
  }
}
