/** The content of an `amqp:` or `amqps:` URL: the server, the user, the virtual host, and the queue of the journal. */
import { readFileSync } from 'node:fs'
import { LastcallError } from '../../errors.js'

export interface RabbitAddress {
  readonly protocol: 'amqp' | 'amqps'
  readonly hostname: string
  /** Default: 5672; 5671 with TLS. */
  readonly port: number
  /** Default for the user and the password: `guest`. RabbitMQ accepts it from its own machine only. */
  readonly username: string
  readonly password: string
  /** Default: `/`. */
  readonly vhost: string
  /** Default: `lastcall.journal`. */
  readonly queue: string
  /** The certificates in PEM that are trusted instead of the system's. */
  readonly ca: Buffer | undefined
}

const DEFAULT_QUEUE = 'lastcall.journal'
/** The greatest length of a name, which is a short string (AMQP 0.9.1, section 1.4.2.1). */
const MAX_NAME_BYTES = 255
/** The beginning of each error message, which names the variable. */
const PREFIX = 'JOURNAL_URL: '
const PARAMETERS: readonly string[] = ['queue', 'ca']

/**
 * @param url `amqp://USER:PASSWORD@HOST:PORT/VHOST?queue=NAME&ca=FILE`. Everything but the host is optional. Special
 *   characters are percent-encoded, for example the virtual host `%2Fmine`.
 * @throws {LastcallError} `config_invalid`. The message does not contain the URL.
 */
export function parseRabbitUrl(url: string): RabbitAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || parsed.hostname === '') throw invalid('it is not a URL such as amqp://user:password@host:5672/vhost')
  const unknown = [...parsed.searchParams.keys()].find((name) => !PARAMETERS.includes(name))
  if (unknown !== undefined) throw invalid(`it has the parameter ${unknown}; there are ${PARAMETERS.join(' and ')}`)
  const isEncrypted = parsed.protocol === 'amqps:'
  const hasUser = parsed.username !== '' || parsed.password !== ''
  const file = parsed.searchParams.get('ca')
  return {
    protocol: isEncrypted ? 'amqps' : 'amqp',
    hostname: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? (isEncrypted ? 5671 : 5672) : Number(parsed.port),
    username: hasUser ? decoded(parsed.username, 'user') : 'guest',
    password: hasUser ? decoded(parsed.password, 'password') : 'guest',
    vhost: decoded(parsed.pathname.slice(1), 'virtual host') || '/',
    queue: queueName(parsed.searchParams.get('queue') ?? DEFAULT_QUEUE),
    ca: file === null ? undefined : certificates(file, isEncrypted),
  }
}

/**
 * The problem of a URL with one of these schemes, as the rest of a sentence about JOURNAL_URL. `undefined`: the URL is
 * valid.
 */
export function problemOfRabbitUrl(url: string): string | undefined {
  if (!/^amqps?:/i.test(url)) return undefined
  try {
    parseRabbitUrl(url)
    return undefined
  } catch (error) {
    if (error instanceof LastcallError) return error.message.slice(PREFIX.length)
    throw error
  }
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(`its ${what} is not percent-encoded: write % as %25`)
  }
}

function queueName(name: string): string {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0 || bytes > MAX_NAME_BYTES) throw invalid(`the name of the queue has 1 to ${MAX_NAME_BYTES} bytes`)
  // The server refuses to declare such a queue.
  if (name.startsWith('amq.')) throw invalid('the names of queues that begin with amq. belong to the server')
  return name
}

function certificates(file: string, isEncrypted: boolean): Buffer {
  if (!isEncrypted) throw invalid('ca is for amqps:, which is encrypted')
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new LastcallError('config_invalid', `${PREFIX}the file of ca cannot be read: ${file}`, { cause })
  }
}

const invalid = (problem: string): LastcallError => new LastcallError('config_invalid', `${PREFIX}${problem}`)
