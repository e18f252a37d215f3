/** The instances of a measurement: real processes with the flags of `npm start`, which share one journal. */
import { ServerProcess } from '../server-process.js'
import type { MeasurementOptions } from './measurement.js'

const ENV = {
  BROADCAST_INTERVAL: '0',
  MAX_MESSAGES_PER_MINUTE: '0',
  LOG_LEVEL: 'info',
  SESSION_SECRET: 'a secret of the measurement, which is no secret at all',
  SHUTDOWN_MODE: 'wait',
  SHUTDOWN_TIMEOUT: '1',
}

export interface MeasuredServer {
  readonly name: string
  readonly port: number
  readonly pid: number
  /** Resolves when the process has ended. Rejects when the instance has logged errors: its figures would mean nothing. */
  readonly stop: () => Promise<void>
}

/** Starts instances with these names, one after the other. Resolves when all of them serve. */
export async function startServers(
  names: readonly string[],
  options: Pick<MeasurementOptions, 'journal' | 'command' | 'profiles'>,
): Promise<MeasuredServer[]> {
  const servers: MeasuredServer[] = []
  for (const name of names) servers.push(await startServer(name, options))
  return servers
}

/** Starts one instance. Resolves when it serves. */
export async function startServer(
  name: string,
  { journal, command, profiles }: Pick<MeasurementOptions, 'journal' | 'command' | 'profiles'>,
): Promise<MeasuredServer> {
  const server = await ServerProcess.start({
    command,
    nodeFlags: profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}`],
    env: { ...ENV, JOURNAL_URL: journal.url },
  })
  return {
    name,
    port: server.port,
    pid: server.pid,
    stop: async () => {
      await server.stop()
      if (server.errors.length > 0) throw new Error(`${name} logged errors:\n${server.errors.join('\n')}`)
    },
  }
}
