/**
 * How many file descriptors this process may have, and how they are shared: between connections that stay, and the reserve
 * for the journal, the log, probes and newcomers. Each process has a limit of its own, also with WORKERS.
 */
import { readFileSync } from 'node:fs'

export interface DescriptorShares {
  /** So many connections may be open before idle ones are closed for the next; also the most WebSockets there can be. */
  readonly lasting: number
  /** So many may be open for a moment beyond: requests of probes, handshakes. */
  readonly passing: number
}

/** What Node, the journal and the log keep open is about half of the smaller one. */
const MIN_RESERVE = 64
const MAX_RESERVE = 128
const MIN_LASTING = 8

/** `limit`: RLIMIT_NOFILE; `Infinity`: there is none. */
export function descriptorShares(limit: number): DescriptorShares {
  if (limit === Infinity) return { lasting: Infinity, passing: Infinity }
  const reserve = Math.max(MIN_RESERVE, Math.min(MAX_RESERVE, Math.floor(limit / 4)))
  return { lasting: Math.max(MIN_LASTING, limit - reserve), passing: Math.floor(reserve / 4) }
}

/** Node raises the limit of the shell to the hard limit when it starts; this is what results. Known on Linux only. */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const [, soft = 'unlimited'] = /^Max open files\s+(\S+)/m.exec(limits) ?? []
    return soft === 'unlimited' ? Infinity : Number(soft)
  } catch {
    return Infinity
  }
}
