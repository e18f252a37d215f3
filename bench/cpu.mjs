/** CPU time of processes of this machine, from /proc: on a machine that does other things, too, it says more than wall time. */
import { readdirSync, readFileSync } from 'node:fs'

/** CPU time of all threads of a process so far, in µs. */
export const cpuUs = (pid) =>
  readdirSync(`/proc/${pid}/task`).reduce(
    (sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000,
    0,
  )
