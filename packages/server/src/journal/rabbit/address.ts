/**
 * What an `amqp:` or `amqps:` URL says: the server, the user, the virtual host, and the queue that holds the journal.
 */
import { readFileSync } from 'node:fs'
import { LastcallError } from '../../errors.js'

export interface RabbitAddress {
  readonly protocol: 'amqp' | 'amqps'
  readonly hostname: string
  /** Default: 5672, with TLS 5671. */
  readonly port: number
  /** Default, with the password: `guest`, which RabbitMQ accepts from its own machine alone. */
  readonly username: string
  readonly password: string
  /** Default: `/`. */
  readonly vhost: string
  /** Default: `lastcall.journal`. */
  readonly queue: string
  /** Certificates in PEM that are trusted instead of the system's. */
  readonly ca: Buffer | undefined
}

const DEFAULT_QUEUE = 'lastcall.journal'
/** AMQP 0.9.1, 1.4.2.1: names are short strings. */
const MAX_NAME_BYTES = 255
/** Of a message: it is about this variable. */
const PREFIX = 'JOURNAL_URL: '
const PARAMETERS: readonly string[] = ['queue', 'ca']

/**
 * @param url `amqp://USER:PASSWORD@HOST:PORT/VHOST?queue=NAME&ca=FILE`; everything but the host may be left out. Special
 *   characters are percent-encoded, as in the virtual host `%2Fmine`.
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

/** What `parseRabbitUrl` refuses in a URL with one of its schemes, as the rest of a sentence about JOURNAL_URL. */
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
