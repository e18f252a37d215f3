/**
 * One run: servers, a proxy for each client, clients, and what happens to them for so many seconds. Then everything is
 * healed, everybody is waited for, a newcomer reads the whole journal, and the history is complete.
 */
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { drawFate, FaultProxy } from './fault-proxy.mjs'
import { History } from './history.mjs'
import { LibraryClient } from './library-client.mjs'
import { PlainClient } from './plain-client.mjs'
import { planOf } from './plan.mjs'
import { readJournal } from './reader.mjs'
import { Random } from './random.mjs'
import { Servers } from './servers.mjs'

const PATIENCE_MS = 1500
const HEAL_TIMEOUT_MS = 30_000
/** Where messages are rationed, what was left unsaid takes its time, however well the server does. */
const RATIONED_HEAL_TIMEOUT_MS = 120_000

/**
 * @param {object} options
 * @param {number} options.seed
 * @param {number} options.seconds How long it is rough.
 * @param {string} options.cli The server's command.
 * @param {(figures: object) => void} [options.onProgress] Called once per second.
 * @param {AbortSignal} [options.signal] Ends the rough part early.
 * @returns {Promise<{ terms: object, events: object[], figures: object }>}
 */
export async function runRound({ seed, seconds, cli, onProgress = () => undefined, signal }) {
  const random = new Random(seed)
  const plan = planOf(random.fork('plan'))
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-chaos-'))
  const history = new History()
  const env = { ...plan.env, JOURNAL_URL: `file:${join(folder, 'journal')}` }
  const servers = new Servers({ cli, env, count: plan.terms.instances, history })
  const faults = new Map()
  const onFault = (what) => faults.set(what, (faults.get(what) ?? 0) + 1)
  const proxies = []
  const clients = []
  const figures = () => figuresOf(history, faults, servers)
  const timer = setInterval(() => onProgress(figures()), 1000)
  // Who is interrupted leaves nothing behind.
  const cleanUp = () => {
    servers.destroy()
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', cleanUp)
  try {
    await servers.startAll()
    for (const given of plan.clients) {
      const own = random.fork(given.name)
      const proxy = new FaultProxy({
        target: () => (servers.ports.length > 0 ? own.pick(servers.ports) : undefined),
        nextFate: fates(own.fork('fates'), plan.faults),
        onFault,
      })
      proxies.push(proxy)
      const endpoint = `ws://127.0.0.1:${await proxy.listen()}/ws`
      const Client = given.isLibrary ? LibraryClient : PlainClient
      clients.push(
        new Client({
          ...given,
          endpoint: () => endpoint,
          history,
          random: own,
          patienceMs: PATIENCE_MS,
          ...(plan.secret && { token: () => tokenFor(given.name, plan.secret) }),
        }),
      )
    }
    for (const client of clients) client.start()

    await beRough({ random, plan, seconds, servers, proxies, clients, signal })
    await heal({ servers, proxies, clients, history, isRationed: plan.openingCount > 0 })
    await readJournal({
      port: servers.ports[0],
      channels: new Set(plan.clients.flatMap(({ channels }) => channels)),
      terms: plan.terms,
      history,
      token: plan.secret && tokenFor('reader', plan.secret),
    })
    for (const client of clients) client.stop()
    await servers.stopAll()
  } finally {
    clearInterval(timer)
    for (const client of clients) client.stop()
    process.off('exit', cleanUp)
    servers.destroy()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    cleanUp()
  }
  return { terms: plan.terms, events: history.events, figures: figures() }
}

/** The same connection of the same client meets the same fate, whenever it comes. */
const fates = (random, weights) => {
  let count = 0
  return () => drawFate(random.fork(String(++count)), weights)
}

/** A JWT (RFC 7519), HS256. */
function tokenFor(sub, secret) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, exp: Math.round(Date.now() / 1000) + 600 })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

// ——— the rough part

async function beRough({ random, plan, seconds, servers, proxies, clients, signal }) {
  const until = performance.now() + seconds * 1000
  const isOver = () => signal?.aborted || performance.now() >= until
  const again = async (averageMs, stream, action) => {
    for (;;) {
      // Never later than the end, so that nobody has to wait for it.
      await sleep(Math.min(stream.magnitude(averageMs / 4, averageMs * 2), Math.max(1, until - performance.now())))
      if (isOver()) return
      await action(stream)
    }
  }
  for (const client of clients) {
    for (let count = 0; count < plan.openingCount; count++) client.publish({ channel: 'lobby' }, count)
  }
  await Promise.all([
    ...clients.map((client) =>
      again(plan.pauseMs, random.fork(`says ${client.name}`), (stream) => say(client, clients, stream, plan)),
    ),
    ...clients.map((client) =>
      again(plan.whimMs, random.fork(`whims ${client.name}`), (stream) => haveWhim(client, clients, stream, plan)),
    ),
    again(plan.disasterMs, random.fork('disasters'), (stream) => strike(servers, proxies, stream)),
  ])
}

function say(client, clients, random, { isFlooded, openingCount }) {
  const where =
    random.chance(0.2) && clients.length > 1
      ? { to: random.pick(clients.filter((other) => other !== client)).name }
      : { channel: random.pick(client.speaksIn) }
  const isFlood = isFlooded && random.chance(0.01)
  const many = openingCount > 0 ? 3 : 30
  for (let count = isFlood ? 300 : random.chance(0.1) ? random.between(2, many) : 1; count > 0; count--) {
    client.publish(where, { filler: 'x'.repeat(isFlood ? 40_000 : random.magnitude(1, 3000)), n: random.below(1e9) })
  }
}

function haveWhim(client, clients, random, plan) {
  const whim = random.weighted({
    leave: 4,
    takeOver: plan.terms.instances > 1 ? 6 : 2,
    stopReading: 3,
    join: 4,
    part: 4,
  })
  switch (whim) {
    case 'leave':
      client.leave(random.magnitude(1, 3000), random.chance(0.5))
      break
    case 'takeOver':
      client.takeOver()
      // What is said while there are two connections may be said on both.
      say(client, clients, random, plan)
      break
    case 'stopReading':
      client.stopReading(random.magnitude(50, 2500))
      break
    case 'join':
      if (client.toggles) client.join(client.toggles)
      break
    case 'part':
      if (client.toggles) client.part(client.toggles)
  }
}

async function strike(servers, proxies, random) {
  const what = random.weighted({ kill: 5, stop: 2, stopAndKill: 1, outage: 2 })
  const instance = random.pick(servers.instances)
  if (what === 'outage') {
    const by = random.pick(['fin', 'rst'])
    for (const proxy of proxies) proxy.outage(by)
    return
  }
  if (what === 'kill') await servers.kill(instance)
  else {
    const stopped = servers.stop(instance)
    if (what === 'stopAndKill') {
      await Promise.race([stopped, sleep(random.between(1, 300))])
      await servers.kill(instance)
    }
    await stopped
  }
  await sleep(random.magnitude(1, 500))
  await servers.start(instance)
}

// ——— the end

/** Everything works again. Resolves when everybody has come back and is done. */
async function heal({ servers, proxies, clients, history, isRationed }) {
  await servers.startAll()
  for (const proxy of proxies) proxy.calm()
  const deadline = performance.now() + (isRationed ? RATIONED_HEAL_TIMEOUT_MS : HEAL_TIMEOUT_MS)
  const head = () => history.events.reduce((most, { offset = 0 }) => Math.max(most, offset), 0)
  let rounds = 0
  for (;;) {
    for (const client of clients) for (const channel of client.absentChannels) client.join(channel)
    const now = head()
    const open = clients.filter((client) => !client.isDone(now))
    // Twice, with a last word in between: then everybody has heard everything up to there.
    if (open.length === 0 && ++rounds === 2) return
    if (open.length === 0) for (const client of clients) client.publish({ channel: 'lobby' }, 'the last word')
    if (performance.now() > deadline) {
      for (const { report } of open) history.record('stuck', { text: report })
      return
    }
    await sleep(50)
  }
}

function figuresOf({ events }, faults, servers) {
  const counts = {}
  const count = (what) => (counts[what] = (counts[what] ?? 0) + 1)
  for (const { type, recovered, code } of events) {
    count(type)
    if (type === 'welcome') count(`recovered ${recovered}`)
    if (type === 'subscribed' && recovered === true) count('replays')
    if (type === 'closed') count(`closed ${code}`)
  }
  return {
    published: counts.publish ?? 0,
    acked: counts.settled ?? 0,
    told: (counts.message ?? 0) + (counts.direct ?? 0) + (counts.presence ?? 0),
    connections: counts.connect ?? 0,
    resumed: counts['recovered true'] ?? 0,
    outOfReach: counts['recovered false'] ?? 0,
    tooSlow: counts['closed 4008'] ?? 0,
    takenOver: counts['closed 4001'] ?? 0,
    replays: counts.replays ?? 0,
    faults: [...faults.values()].reduce((sum, number) => sum + number, 0),
    killed: servers.killed,
    stopped: servers.stopped,
  }
}
