/**
 * The process of the attackers: runs the connections of one attack, and ends with their counts as one line of JSON. Started by
 * processes.mjs.
 */
import { ATTACKS } from './attacks.mjs'

const [name, port, count, seconds] = process.argv.slice(2)
const overAtMs = performance.now() + Number(seconds) * 1000
const isOver = () => performance.now() >= overAtMs

console.log('started')
const counts = await Promise.all(
  Array.from({ length: Number(count) }, (_, index) => ATTACKS[name].run({ port: Number(port), index, isOver })),
)
const sums = {}
for (const one of counts) for (const [what, amount] of Object.entries(one)) sums[what] = (sums[what] ?? 0) + amount
for (const what of Object.keys(sums)) sums[what] = Math.round(sums[what])
console.log(JSON.stringify(sums))
process.exit(0)
