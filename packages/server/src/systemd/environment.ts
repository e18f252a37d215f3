/**
 * What a service manager has left in the environment for this one process, pure: the notification socket, the watchdog,
 * the sockets that are open already. Reads no environment by itself (see `takeFromEnvironment`).
 */
import { LastcallError } from '../errors.js'

/** sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3), systemd.exec(5). */
export const SYSTEMD_VARIABLES = [
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
  'SYSTEMD_EXEC_PID',
] as const

export interface SystemdEnvironment {
  /** Where notifications go; `undefined`: nobody wants any. */
  readonly notifySocket: string | undefined
  /** A sign of life is due more often than this, in milliseconds; `undefined`: nobody watches. */
  readonly watchdogMs: number | undefined
  /** The descriptor of the listening socket that was handed over; `undefined`: none was. */
  readonly listenFd: number | undefined
  /** Whether systemd has started this very process (since version 248 it says so). */
  readonly isService: boolean
}

/** SD_LISTEN_FDS_START. */
const FIRST_LISTEN_FD = 3

/**
 * @throws {LastcallError} `config_invalid`: sockets were handed over, and not exactly one.
 */
export function systemdEnvironment(
  env: Readonly<Partial<Record<(typeof SYSTEMD_VARIABLES)[number], string | undefined>>>,
  pid: number,
): SystemdEnvironment {
  const isOurs = (owner: string | undefined): boolean => owner === String(pid)
  const watchdogUsec = Number(env.WATCHDOG_USEC)
  const isWatched = watchdogUsec > 0 && (!env.WATCHDOG_PID || isOurs(env.WATCHDOG_PID))
  return {
    notifySocket: env.NOTIFY_SOCKET || undefined,
    watchdogMs: isWatched ? watchdogUsec / 1000 : undefined,
    // Without LISTEN_PID, or with another's, they are meant for somebody else: a shell around this process, say.
    listenFd: env.LISTEN_FDS && isOurs(env.LISTEN_PID) ? onlyListenFd(env.LISTEN_FDS) : undefined,
    isService: isOurs(env.SYSTEMD_EXEC_PID),
  }
}

function onlyListenFd(count: string): number | undefined {
  if (count === '0') return undefined
  if (count === '1') return FIRST_LISTEN_FD
  throw new LastcallError(
    'config_invalid',
    `LISTEN_FDS=${JSON.stringify(count)}: must be 1, for one socket is served: leave one ListenStream= in the .socket unit`,
  )
}
