/**
 * The CPU time and the memory of a process of this machine, from /proc. On a machine that does other things, too, CPU time says
 * more than wall time.
 */
import { readdirSync, readFileSync } from 'node:fs'

const NS_PER_US = 1000
const BYTES_PER_KB = 1024

/** The CPU time that all threads of a process have used so far, in µs. */
export function cpuUs(pid: number): number {
  const folder = `/proc/${pid}/task`
  const threadsUs = readdirSync(folder).map((thread) => {
    // The first number: how many nanoseconds the thread has spent on a CPU.
    const [onCpuNs] = readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')
    return Number(onCpuNs) / NS_PER_US
  })
  return threadsUs.reduce((sum, each) => sum + each, 0)
}

/** The memory of a process in bytes. Memory that several processes share counts in equal parts (PSS). */
export function memoryBytes(pid: number): number {
  const file = `/proc/${pid}/smaps_rollup`
  const kilobytes = /^Pss:\s+(\d+)/m.exec(readFileSync(file, 'utf8'))?.[1]
  if (kilobytes === undefined) throw new Error(`${file} has no line that begins with Pss`)
  return Number(kilobytes) * BYTES_PER_KB
}
