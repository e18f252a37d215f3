/**
 * One run: servers, clients, a proxy for each client, and their faults for some seconds. Then the run ends all faults and waits for
 * every client, another client reads the complete journal, and the history is complete.
 */
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CampaignClient, CampaignClientOptions } from './campaign-client.js'
import { Disasters } from './disasters.js'
import { CALM, drawFate, FaultProxy, type Fate, type FaultProxyOptions, type FaultWeights } from './fault-proxy.js'
import type { HistoryFile } from './history-events.js'
import { History } from './history.js'
import { openJournal, type ChaosJournal, type JournalKind } from './journals.js'
import { LibraryClient } from './library-client.js'
import { PlainClient } from './plain-client.js'
import { planOf, serverName, type Plan } from './plan.js'
import { expectSamePresence } from './presence.js'
import { Random } from './random.js'
import { readJournal } from './reader.js'
import { figuresOf, type Figures } from './figures.js'
import { beRough } from './rough-part.js'
import { Servers } from './servers.js'

const PATIENCE_MS = 1500
const HEAL_TIMEOUT_MS = 30_000
/** RabbitMQ needs time to restart. */
const BROKER_HEAL_TIMEOUT_MS = 90_000
/** Where the server limits messages per minute, the clients need time to publish the remaining ones. */
const RATIONED_HEAL_TIMEOUT_MS = 120_000

export interface RoundOptions {
  readonly seed: number
  /** How long the faults last. */
  readonly seconds: number
  /** The server's command. */
  readonly cli: string
  readonly journal?: JournalKind
  /** Called once per second. */
  readonly onProgress?: (figures: Figures) => void
}

export interface Round extends HistoryFile {
  readonly figures: Figures
  readonly logs: Servers['logs']
}

export async function runRound({
  seed,
  seconds,
  cli,
  journal: kind = 'file',
  onProgress = () => undefined,
}: RoundOptions): Promise<Round> {
  const random = new Random(seed)
  const plan = planOf(random.fork('plan'), kind)
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-chaos-'))
  const history = new History()
  let faultCount = 0
  const onFault = (): void => {
    faultCount++
  }
  const names = Array.from({ length: plan.terms.instances }, (_, index) => serverName(index))
  const journal = await openJournal({ kind, folder, names, random: random.fork('lines'), onFault })
  const servers = new Servers({
    cli,
    envOf: (name) => ({ ...plan.env, ...journal.envOf(name) }),
    names,
    hasBroker: journal.broker !== undefined,
    history,
  })
  const proxies: FaultProxy[] = []
  const clients: CampaignClient[] = []
  const disasters = new Disasters({ servers, proxies, journal, history })
  const figures = (): Figures => figuresOf(history, faultCount, servers, disasters)
  const timer = setInterval(() => onProgress(figures()), 1000)
  // An interrupted run leaves nothing behind.
  const cleanUp = (): void => {
    servers.destroy()
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', cleanUp)
  try {
    await servers.startAll()
    clients.push(...(await makeClients({ plan, servers, proxies, history, random, onFault })))
    for (const client of clients) client.start()

    await beRough({ random, plan, seconds, disasters, clients: clients.slice(0, plan.clients.length) })
    await disasters.end()
    await heal({ servers, proxies, clients, history, timeoutMs: healTimeoutMs(plan, journal) })
    if (journal.broker && plan.terms.presence) {
      await expectSamePresence({
        ports: () => servers.ports,
        history,
        tokenFor: (name) => (plan.secret === undefined ? undefined : tokenFor(name, plan.secret)),
      })
    }
    const [port] = servers.ports
    if (port === undefined) history.record({ type: 'stuck', text: 'no server listens at the end' })
    else
      await readJournal({
        port,
        channels: new Set(plan.clients.flatMap(({ channels }) => channels)),
        terms: plan.terms,
        history,
        token: plan.secret === undefined ? undefined : tokenFor('reader', plan.secret),
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

function healTimeoutMs({ openingCount }: Plan, { broker }: ChaosJournal): number {
  if (openingCount > 0) return RATIONED_HEAL_TIMEOUT_MS
  return broker ? BROKER_HEAL_TIMEOUT_MS : HEAL_TIMEOUT_MS
}

interface ClientsOptions {
  readonly plan: Plan
  readonly servers: Servers
  /** Gets the proxy of each client. */
  readonly proxies: FaultProxy[]
  readonly history: History
  readonly random: Random
  readonly onFault: () => void
}

/** Clients that publish, through lines that fail to any server; and observers of one server each, through lines that do not. */
async function makeClients({
  plan,
  servers,
  proxies,
  history,
  random,
  onFault,
}: ClientsOptions): Promise<CampaignClient[]> {
  const optionsOf = async (
    name: string,
    own: Random,
    line: Pick<FaultProxyOptions, 'target' | 'nextFate'>,
  ): Promise<Omit<CampaignClientOptions, 'channels'>> => {
    const proxy = new FaultProxy({ onFault, ...line })
    proxies.push(proxy)
    const endpoint = `ws://127.0.0.1:${await proxy.listen()}/ws`
    const { secret } = plan
    return {
      name,
      endpoint: () => endpoint,
      history,
      random: own,
      patienceMs: PATIENCE_MS,
      token: secret === undefined ? undefined : () => tokenFor(name, secret),
    }
  }
  const clients: CampaignClient[] = []
  for (const { isLibrary, ...given } of plan.clients) {
    const own = random.fork(given.name)
    const target = (): number | undefined => (servers.ports.length > 0 ? own.pick(servers.ports) : undefined)
    const nextFate = fates(own.fork('fates'), plan.faults)
    const options = { ...given, ...(await optionsOf(given.name, own, { target, nextFate })) }
    clients.push(isLibrary ? new LibraryClient(options) : new PlainClient(options))
  }
  for (const { name, server, channels } of plan.observers) {
    const target = (): number | undefined => servers.instances.find((instance) => instance.name === server)?.port
    const options = await optionsOf(name, random.fork(name), { target, nextFate: () => CALM })
    clients.push(new PlainClient({ channels, ...options }))
  }
  return clients
}

/** The same connection of the same client has the same fate in every run. */
function fates(random: Random, weights: FaultWeights): () => Fate {
  let count = 0
  return () => drawFate(random.fork(String(++count)), weights)
}

/** A JWT (RFC 7519), HS256. */
function tokenFor(sub: string, secret: string): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, exp: Math.round(Date.now() / 1000) + 600 })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

interface HealingOptions {
  readonly servers: Servers
  readonly proxies: readonly FaultProxy[]
  readonly clients: readonly CampaignClient[]
  readonly history: History
  readonly timeoutMs: number
}

/** Ends all faults. Resolves when every client has reconnected and is done, or after the time limit. */
async function heal({ servers, proxies, clients, history, timeoutMs }: HealingOptions): Promise<void> {
  await servers.startAll()
  for (const proxy of proxies) proxy.calm()
  const deadline = performance.now() + timeoutMs
  let rounds = 0
  for (;;) {
    for (const client of clients) for (const channel of client.absentChannels) client.join(channel)
    const { epoch, offset } = history.head
    const open = clients.filter((client) => !client.isDone(offset, epoch))
    // Twice, with a last message in between: then every client has received everything up to that message.
    if (open.length === 0 && ++rounds === 2) return
    if (open.length === 0) for (const client of clients) client.publish({ channel: 'lobby' }, 'the last word')
    if (performance.now() > deadline) {
      for (const { report } of open) history.record({ type: 'stuck', text: report })
      return
    }
    await sleep(50)
  }
}
