/**
 * One run: servers, a proxy for each client, clients, and what happens to them for so many seconds. Then everything is
 * healed, everybody is waited for, a newcomer reads the whole journal, and the history is complete.
 */
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Disasters } from './disasters.mjs'
import { CALM, drawFate, FaultProxy } from './fault-proxy.js'
import { History } from './history.js'
import { openJournal } from './journals.mjs'
import { LibraryClient } from './library-client.mjs'
import { PlainClient } from './plain-client.mjs'
import { planOf, serverName } from './plan.mjs'
import { readJournal } from './reader.mjs'
import { expectSamePresence } from './presence.mjs'
import { Random } from './random.js'
import { Servers } from './servers.mjs'

const PATIENCE_MS = 1500
const HEAL_TIMEOUT_MS = 30_000
/** RabbitMQ takes its time to come back. */
const BROKER_HEAL_TIMEOUT_MS = 90_000
/** Where messages are rationed, what was left unsaid takes its time, however well the server does. */
const RATIONED_HEAL_TIMEOUT_MS = 120_000

/**
 * @param {object} options
 * @param {number} options.seed
 * @param {number} options.seconds How long it is rough.
 * @param {string} options.cli The server's command.
 * @param {'file' | 'redis' | 'rabbit'} [options.journal]
 * @param {(figures: object) => void} [options.onProgress] Called once per second.
 * @returns {Promise<{ terms: object, events: object[], figures: object, logs: object }>}
 */
export async function runRound({ seed, seconds, cli, journal: kind = 'file', onProgress = () => undefined }) {
  const random = new Random(seed)
  const plan = planOf(random.fork('plan'), kind)
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-chaos-'))
  const history = new History()
  const faults = new Map()
  const onFault = (what) => faults.set(what, (faults.get(what) ?? 0) + 1)
  const names = Array.from({ length: plan.terms.instances }, (_, index) => serverName(index))
  const journal = await openJournal({ kind, folder, names, random: random.fork('lines'), onFault })
  const servers = new Servers({
    cli,
    envOf: (name) => ({ ...plan.env, ...journal.envOf(name) }),
    names,
    hasBroker: journal.broker !== undefined,
    history,
  })
  const proxies = []
  const clients = []
  const disasters = new Disasters({ servers, proxies, journal, history })
  const figures = () => figuresOf(history, faults, servers, disasters)
  const timer = setInterval(() => onProgress(figures()), 1000)
  // Who is interrupted leaves nothing behind.
  const cleanUp = () => {
    servers.destroy()
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', cleanUp)
  try {
    await servers.startAll()
    clients.push(...(await makeClients({ plan, servers, proxies, history, random, onFault })))
    for (const client of clients) client.start()

    await beRough({ random, plan, seconds, disasters, clients })
    await disasters.end()
    await heal({ servers, proxies, clients, history, timeoutMs: healTimeoutMs(plan, journal) })
    if (journal.broker && plan.terms.presence) {
      await expectSamePresence({
        ports: () => servers.ports,
        history,
        tokenFor: (name) => plan.secret && tokenFor(name, plan.secret),
      })
    }
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
    await journal.close()
    cleanUp()
  }
  return { terms: plan.terms, events: history.events, figures: figures(), logs: servers.logs }
}

function healTimeoutMs({ openingCount }, { broker }) {
  if (openingCount > 0) return RATIONED_HEAL_TIMEOUT_MS
  return broker ? BROKER_HEAL_TIMEOUT_MS : HEAL_TIMEOUT_MS
}

/** Those that talk, by lines that fail to any server; and those that watch one server each, by a line that does not. */
async function makeClients({ plan, servers, proxies, history, random, onFault }) {
  const make = async (Client, given, own, options) => {
    const proxy = new FaultProxy({ onFault, ...options })
    proxies.push(proxy)
    const endpoint = `ws://127.0.0.1:${await proxy.listen()}/ws`
    return new Client({
      ...given,
      endpoint: () => endpoint,
      history,
      random: own,
      patienceMs: PATIENCE_MS,
      ...(plan.secret && { token: () => tokenFor(given.name, plan.secret) }),
    })
  }
  const clients = []
  for (const given of plan.clients) {
    const own = random.fork(given.name)
    const target = () => (servers.ports.length > 0 ? own.pick(servers.ports) : undefined)
    const nextFate = fates(own.fork('fates'), plan.faults)
    clients.push(await make(given.isLibrary ? LibraryClient : PlainClient, given, own, { target, nextFate }))
  }
  for (const given of plan.observers) {
    const target = () => servers.instances.find(({ name }) => name === given.server).port
    const observer = await make(PlainClient, given, random.fork(given.name), { target, nextFate: () => CALM })
    clients.push(observer)
  }
  return clients
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

async function beRough({ random, plan, seconds, disasters, clients }) {
  const talkers = clients.slice(0, plan.clients.length)
  const until = performance.now() + seconds * 1000
  const isOver = () => performance.now() >= until
  const again = async (averageMs, stream, action) => {
    for (;;) {
      // Never later than the end, so that nobody has to wait for it.
      await sleep(Math.min(stream.magnitude(averageMs / 4, averageMs * 2), Math.max(1, until - performance.now())))
      if (isOver()) return
      await action(stream)
    }
  }
  for (const client of talkers) {
    for (let count = 0; count < plan.openingCount; count++) client.publish({ channel: 'lobby' }, count)
  }
  await Promise.all([
    ...talkers.map((client) =>
      again(plan.pauseMs, random.fork(`says ${client.name}`), (stream) => say(client, talkers, stream, plan)),
    ),
    ...talkers.map((client) =>
      again(plan.whimMs, random.fork(`whims ${client.name}`), (stream) => haveWhim(client, talkers, stream, plan)),
    ),
    again(plan.disasterMs, random.fork('disasters'), (stream) => disasters.strikeServer(stream)),
    plan.brokerMs && again(plan.brokerMs, random.fork('broker'), (stream) => disasters.strikeBroker(stream)),
    plan.lineMs && again(plan.lineMs, random.fork('lines of servers'), (stream) => disasters.strikeLine(stream)),
    // A server that starts over a slow line would read for minutes what a flood has left in the journal.
    sleep(seconds * 1000).then(() => disasters.calmLines()),
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

// ——— the end

/** Everything works again. Resolves when everybody has come back and is done. */
async function heal({ servers, proxies, clients, history, timeoutMs }) {
  await servers.startAll()
  for (const proxy of proxies) proxy.calm()
  const deadline = performance.now() + timeoutMs
  let rounds = 0
  for (;;) {
    for (const client of clients) for (const channel of client.absentChannels) client.join(channel)
    const { epoch, offset } = history.head
    const open = clients.filter((client) => !client.isDone(offset, epoch))
    // Twice, with a last word in between: then everybody has heard everything up to there.
    if (open.length === 0 && ++rounds === 2) return
    if (open.length === 0) for (const client of clients) client.publish({ channel: 'lobby' }, 'the last word')
    if (performance.now() > deadline) {
      for (const { report } of open) history.record({ type: 'stuck', text: report })
      return
    }
    await sleep(50)
  }
}

function figuresOf({ events }, faults, servers, disasters) {
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
    ...Object.fromEntries(disasters.counts),
  }
}
