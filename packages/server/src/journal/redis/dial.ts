/**
 * Finds the server that takes entries, and connects to it: the first address that answers, the primary that Sentinels
 * name, or the node of a cluster that has the key's slot.
 */
import { readFileSync } from 'node:fs'
import { replyCode, RedisLink, type TlsMaterial } from './redis-link.js'
import { expectVersion, isReplica, unreadable, warningsOf } from './redis-problems.js'
import { listOf } from './redis-stream.js'
import type { RedisAddress, RedisTarget, RedisTls } from './redis-url.js'

export interface DialOptions {
  readonly target: RedisTarget
  /** How long each answer of a server may take, in milliseconds. */
  readonly timeoutMs: number
  /** Ends the attempt, and later the link. */
  readonly signal: AbortSignal
  /** Called at each dial with each warning about the server. */
  readonly onWarning: (warning: string) => void
}

/**
 * A node of a cluster that does not have the slot names another one. That answer may be wrong for a moment after a
 * change.
 */
const MAX_REDIRECTIONS = 5

/** Rejects with the error of the last address. */
export async function dial(options: DialOptions): Promise<RedisLink> {
  let reason: unknown
  for (const address of options.target.addresses) {
    try {
      return options.target.sentinel === undefined
        ? await connectToPrimary(address, options)
        : await connectToPrimary(await askSentinel(address, options.target.sentinel, options), options)
    } catch (error) {
      reason = error
    }
  }
  throw reason
}

async function connectToPrimary(address: RedisAddress, options: DialOptions): Promise<RedisLink> {
  let next = address
  for (let redirection = 0; ; redirection++) {
    const link = await connect(next, options, options.target)
    try {
      const other = await otherNode(link, options.target.key)
      if (!other) {
        await expectPrimary(link, options.onWarning)
        return link
      }
      if (redirection === MAX_REDIRECTIONS)
        throw new Error('the nodes of the cluster disagree on which of them has the key')
      next = { host: other.host || next.host, port: other.port }
    } catch (error) {
      link.destroy(error)
      throw error
    }
    link.destroy()
  }
}

/** `undefined`: this node has the key. */
async function otherNode(link: RedisLink, key: string): Promise<RedisAddress | undefined> {
  try {
    await link.call(['XRANGE', key, '0-1', '0-1'])
    return undefined
  } catch (error) {
    if (replyCode(error) !== 'MOVED') throw error
    // The reply is MOVED SLOT HOST:PORT. Without a host it means the host of this node.
    const endpoint = String(error).split(' ').at(-1) ?? ''
    const colon = endpoint.lastIndexOf(':')
    return { host: endpoint.slice(0, colon), port: Number(endpoint.slice(colon + 1)) }
  }
}

async function expectPrimary(link: RedisLink, onWarning: (warning: string) => void): Promise<void> {
  let info: string
  try {
    info = String(await link.call(['INFO']))
  } catch (error) {
    if (replyCode(error) !== 'NOPERM') throw error
    onWarning('its user may not run INFO, so its version, its memory policy and its role remain unchecked')
    return
  }
  expectVersion(info)
  if (isReplica(info)) throw new Error('it is a replica, which takes no entries')
  for (const warning of warningsOf(info)) onWarning(warning)
}

/** Asks one Sentinel for the primary. */
async function askSentinel(address: RedisAddress, name: string, options: DialOptions): Promise<RedisAddress> {
  const link = await connect(address, options, { username: undefined, password: undefined, database: 0 })
  try {
    const question = ['SENTINEL', 'get-master-addr-by-name', name]
    const { username, password } = options.target
    const answer = await link.call(question).catch(async (error: unknown) => {
      // A Sentinel with a password usually has the password of the servers. JOURNAL_URL has no room for another one.
      if (replyCode(error) !== 'NOAUTH' || password === undefined) throw error
      await link.call(['AUTH', ...(username === undefined ? [] : [username]), password])
      return link.call(question)
    })
    if (!Array.isArray(answer)) throw new Error(`the Sentinels know no primary ${name}`)
    const [host, port] = listOf(answer)
    return { host: String(host), port: Number(String(port)) }
  } finally {
    link.destroy()
  }
}

function connect(
  address: RedisAddress,
  { target, timeoutMs, signal }: DialOptions,
  { username, password, database }: Pick<RedisTarget, 'username' | 'password' | 'database'>,
): Promise<RedisLink> {
  const tls = target.tls && materialOf(target.tls)
  return RedisLink.connect({ address, username, password, database, tls, timeoutMs, signal })
}

/** Reads the files at each dial, because certificates are renewed while a server runs. */
function materialOf({ caFile, certFile, certKeyFile }: RedisTls): TlsMaterial {
  const read = (parameter: string, file: string | undefined): Buffer | undefined => {
    try {
      return file === undefined ? undefined : readFileSync(file)
    } catch (error) {
      throw unreadable(parameter, error)
    }
  }
  const ca = read('ca', caFile)
  const cert = read('cert', certFile)
  const key = read('cert-key', certKeyFile)
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
}
