/**
 * The command as systemd starts it, by systemd's own tools.
 */
import { readFileSync } from 'node:fs'
import { Command } from './command.js'
import type { Notification } from './notify-socket.js'

export const NOTIFY = '/usr/bin/systemd-notify'
export const ACTIVATE = '/usr/bin/systemd-socket-activate'

/** Where those are, and what they need. */
export const PATH = '/usr/bin:/bin'

/** Opens the sockets that the arguments name, and starts the command at the first connection. */
export const activated = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Command =>
  Command.start(
    { PATH, ...env },
    { through: (variables) => [ACTIVATE, ...args, ...variables.map((name) => `--setenv=${name}`)] },
  )

/** Whether a notification has a status that begins so. */
export const hasStatus =
  (start: string) =>
  ({ STATUS }: Notification): boolean =>
    STATUS?.startsWith(start) ?? false

/** The processes that this one has started. */
export const children = (pid: number | undefined): number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
    .split(' ')
    .filter((each) => each !== '')
    .map(Number)

/** The variables and descriptors that systemd passes to one process only. */
export const inheritedFromSystemd = (pid: number): string[] =>
  readFileSync(`/proc/${String(pid)}/environ`, 'utf8')
    .split('\0')
    .filter((each) => /^(NOTIFY|WATCHDOG|LISTEN|SYSTEMD)_/.test(each))
