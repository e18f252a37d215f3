/**
 * The part of the environment that a service manager addresses to this one process: the notification socket, the watchdog, the
 * listening sockets. Pure: `takeFromEnvironment` reads the environment.
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
  /** The socket for notifications; `undefined`: the service manager expects none. */
  readonly notifySocket: string | undefined
  /** The watchdog interval in milliseconds: a sign of life is due more often. `undefined`: no watchdog runs. */
  readonly watchdogMs: number | undefined
  /** The descriptor of the inherited listening socket; `undefined`: there is none. */
  readonly listenFd: number | undefined
  /** Whether systemd started this process itself (it reports this since version 248). */
  readonly isService: boolean
}

/** SD_LISTEN_FDS_START. */
const FIRST_LISTEN_FD = 3

/** @throws {LastcallError} `config_invalid`: the number of inherited sockets is not one. */
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
    // Without LISTEN_PID, or with that of another process, the sockets are for another process: a parent shell, for example.
    listenFd: env.LISTEN_FDS && isOurs(env.LISTEN_PID) ? onlyListenFd(env.LISTEN_FDS) : undefined,
    isService: isOurs(env.SYSTEMD_EXEC_PID),
  }
}

function onlyListenFd(count: string): number | undefined {
  if (count === '0') return undefined
  if (count === '1') return FIRST_LISTEN_FD
  throw new LastcallError(
    'config_invalid',
    `LISTEN_FDS=${JSON.stringify(count)}: must be 1, because the server listens on one socket: leave one ListenStream= in the .socket unit`,
  )
}
