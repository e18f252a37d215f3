/**
 * How many file descriptors this process may open, and how they are divided: connections, and a reserve for the journal, the
 * log, probes and handshakes. Each process has a limit of its own, also with WORKERS.
 */
import { readFileSync } from 'node:fs'

export interface DescriptorShares {
  /** The number of open connections above which the server closes idle ones; also the limit of WebSockets. */
  readonly lasting: number
  /** How many more may be open for a moment: requests of probes, handshakes. */
  readonly passing: number
}

/** Node, the journal and the log use about half of the smaller reserve. */
const MIN_RESERVE = 64
const MAX_RESERVE = 128
const MIN_LASTING = 8

/** @param limit RLIMIT_NOFILE; `Infinity` without a limit. */
export function descriptorShares(limit: number): DescriptorShares {
  if (limit === Infinity) return { lasting: Infinity, passing: Infinity }
  const reserve = Math.max(MIN_RESERVE, Math.min(MAX_RESERVE, Math.floor(limit / 4)))
  return { lasting: Math.max(MIN_LASTING, limit - reserve), passing: Math.floor(reserve / 4) }
}

/** The limit in force: Node raises the shell's soft limit to the hard limit at its start. Known on Linux only. */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const [, soft = 'unlimited'] = /^Max open files\s+(\S+)/m.exec(limits) ?? []
    return soft === 'unlimited' ? Infinity : Number(soft)
  } catch {
    return Infinity
  }
}
