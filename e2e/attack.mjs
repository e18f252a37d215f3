#!/usr/bin/env node
/**
 * Attacks on the real command, and what the other clients notice of them. An honest crowd publishes before and during the
 * attack; the attackers run in a process of their own. Everything stays on 127.0.0.1 and ends by itself.
 *
 *   npm run attack -- NAME            one of the attacks of attack/attacks.mjs, or `all`
 *   [--seconds 6]                     how long the attack lasts, and the quiet time before it (60 at most)
 *   [--attackers 20]                  how many connections attack (500 at most)
 *   [--crowd 40]                      honest clients; each of them publishes one message a second
 *   [--server FILE]                   the command of another build, to compare with
 *
 * The exit code is 1 when an honest client lost its connection or a message, or when the server ended.
 */
import { parseArgs } from 'node:util'
import { ATTACKS } from './attack/attacks.mjs'
import { Crowd } from './attack/crowd.mjs'
import { AttackedServer, startAttackers } from './attack/processes.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '6' },
    attackers: { type: 'string', default: '20' },
    crowd: { type: 'string', default: '40' },
    server: { type: 'string' },
  },
})
const MAX_SECONDS = 60
const MAX_ATTACKERS = 500
const seconds = Math.min(Number(values.seconds), MAX_SECONDS)
const attackers = Math.min(Number(values.attackers), MAX_ATTACKERS)
/** A message without an ack after this is lost. */
const GIVE_UP_MS = 30_000

async function attack(name) {
  const server = await AttackedServer.start(values.server)
  try {
    const crowd = await Crowd.enter(server.port, Number(values.crowd))
    await crowd.publishFor(1)
    await ATTACKS[name].prepare?.(server.port)
    const quiet = await server.measure(() => crowd.publishFor(seconds))
    const attack = await startAttackers({ name, port: server.port, count: attackers, seconds })
    const during = await server.measure(() => crowd.publishFor(seconds))
    const sent = await attack.ended
    const faults = await crowd.faults(GIVE_UP_MS)
    if (!(await server.answers())) faults.push('the server does not answer /health')
    print({ name, quiet, during, sent, memoryAfterMb: server.memoryMb })
    crowd.leave()
    faults.push(...(await server.stop()))
    return faults
  } finally {
    server.kill()
  }
}

function print({ name, quiet, during, sent, memoryAfterMb }) {
  console.log(`${name}: ${ATTACKS[name].what} (${attackers} connections, ${seconds} s)`)
  const row = ({ latencies, cpuShare, highestMb, longestTurnMs }) => ({
    'messages acknowledged': latencies.count,
    'p50, ms': latencies.p50.toFixed(1),
    'p99, ms': latencies.p99.toFixed(1),
    'longest, ms': latencies.longest.toFixed(1),
    'longest turn of the server, ms of CPU': longestTurnMs.toFixed(0),
    'CPU of the server, %': (cpuShare * 100).toFixed(0),
    'memory at most, MB': highestMb.toFixed(0),
  })
  console.table({ before: row(quiet), during: row(during) })
  const ratio = (during.latencies.p99 / quiet.latencies.p99).toFixed(2)
  console.log(`p99 during the attack: ${ratio} times that before; memory after it: ${memoryAfterMb.toFixed(0)} MB`)
  console.log(
    `the attackers: ${Object.entries(sent)
      .map(([what, count]) => `${what} ${count}`)
      .join(', ')}\n`,
  )
}

const [asked] = positionals
const names = asked === 'all' ? Object.keys(ATTACKS) : [asked]
if (!names.every((name) => name in ATTACKS)) {
  console.error(`npm run attack -- NAME, where NAME is one of: ${Object.keys(ATTACKS).join(', ')}, all`)
  process.exit(2)
}
const faults = []
for (const name of names) faults.push(...(await attack(name)).map((fault) => `${name}: ${fault}`))
for (const fault of faults) console.error(fault)
console.log(faults.length === 0 ? 'no honest client lost a connection or a message' : `${faults.length} faults`)
process.exit(faults.length === 0 ? 0 : 1)
