/**
 * Every configuration variable, once: its name, type, default, range and meaning. The type `Config`, the flags, the
 * checks, `--help` and docs/reference/configuration.md follow from this list.
 */
import { BUILD_PATTERN, LOCALES } from '@lastcall/protocol'
import * as z from 'zod'
import { LOG_LEVELS } from '../observability/log.js'
import { bytes, choice, duration, integer, origins, proxies, publicKey, secret, text, toggle, url } from './kinds.js'
import { metaOf, optional, variable, type VariableMeta } from './variable.js'
import { VERSION } from './version.js'

/** The longest configurable time: a week. Node fires a timer of more than 24 days at once. */
const MAX_TIMER_SECONDS = 604_800
const HS256 = ': HS256 needs a key of 256 bits (RFC 7518 section 3.2)'

export const configSchema = z.object({
  host: variable(
    'HOST',
    text({ pattern: /^[\w.:%-]+$/, allowed: 'a host name or an IP address', placeholder: 'HOST' }),
    {
      group: 'Network',
      default: '0.0.0.0',
      doc: 'The address to listen on.',
    },
  ),
  port: variable('PORT', integer({ min: 0, max: 65_535 }), {
    group: 'Network',
    default: 8000,
    doc: 'The TCP port to listen on; 0 takes any free one.',
  }),
  keepAliveTimeoutSeconds: variable(
    'KEEP_ALIVE_TIMEOUT',
    duration({ min: 0, max: MAX_TIMER_SECONDS, unit: 'seconds' }),
    {
      group: 'Network',
      default: 3600,
      doc: 'How long an idle HTTP connection is kept; it should be longer than the idle timeout of a proxy in front.',
    },
  ),
  maxIdleHttp: variable('MAX_IDLE_HTTP', integer({ min: 0, max: 1_000_000 }), {
    group: 'Network',
    default: 100,
    doc: 'How many idle HTTP connections each process keeps; beyond that the oldest is closed.',
  }),
  trustProxy: variable('TRUST_PROXY', proxies(), {
    group: 'Network',
    default: false,
    doc: 'The proxies whose X-Forwarded-For names the address of a client, in the log and where guesses at ADMIN_TOKEN are counted.',
  }),
  adminPort: optional('ADMIN_PORT', integer({ min: 0, max: 65_535 }), {
    group: 'Network',
    defaultText: 'none: they are served at PORT',
    doc: 'A TCP port of their own for /metrics, /docs, /openapi.json and /api, which PORT then does not serve; 0 takes any free one.',
  }),
  adminHost: variable(
    'ADMIN_HOST',
    text({ pattern: /^[\w.:%-]+$/, allowed: 'a host name or an IP address', placeholder: 'HOST' }),
    {
      group: 'Network',
      default: '127.0.0.1',
      doc: 'The address to listen on at ADMIN_PORT.',
    },
  ),
  tlsCert: optional('TLS_CERT', text({ pattern: /./, allowed: 'a file in PEM', placeholder: 'FILE' }), {
    group: 'Network',
    doc: 'The file with the certificate chain for TLS; read again on SIGHUP.',
  }),
  tlsKey: optional('TLS_KEY', text({ pattern: /./, allowed: 'a file in PEM', placeholder: 'FILE' }), {
    group: 'Network',
    doc: 'The file with the private key for TLS; read again on SIGHUP.',
  }),

  shutdownTimeoutSeconds: variable('SHUTDOWN_TIMEOUT', duration({ min: 0, max: MAX_TIMER_SECONDS, unit: 'seconds' }), {
    group: 'Shutdown',
    default: 1800,
    doc: 'How long a shutdown waits for the clients to leave before it closes the remaining connections.',
  }),
  shutdownMode: variable('SHUTDOWN_MODE', choice(['wait', 'migrate']), {
    group: 'Shutdown',
    default: 'wait',
    doc: '`wait` closes no connection before the deadline; `migrate` closes each client when its slot ends, or all of them after SHUTDOWN_SPREAD when no other instance is ready.',
  }),
  shutdownDelaySeconds: variable('SHUTDOWN_DELAY', duration({ min: 0, max: MAX_TIMER_SECONDS, unit: 'seconds' }), {
    group: 'Shutdown',
    default: 0,
    doc: 'How long the server accepts new clients after the signal, while load balancers notice the shutdown; part of SHUTDOWN_TIMEOUT.',
  }),
  shutdownSpreadSeconds: optional('SHUTDOWN_SPREAD', duration({ min: 0, max: MAX_TIMER_SECONDS, unit: 'seconds' }), {
    group: 'Shutdown',
    defaultText: 'the smaller of 30 s and half of SHUTDOWN_TIMEOUT',
    doc: 'The time over which the slots of the clients are spread.',
  }),
  restartTimeMs: variable('RESTART_TIME', duration({ min: 0, max: 600_000, unit: 'milliseconds' }), {
    group: 'Shutdown',
    default: 500,
    doc: 'How long a restart takes until the server listens again: when no other instance is ready, a shutdown tells its clients to return after this time, spread by 1 ms per client.',
  }),
  shutdownCloseCode: variable('SHUTDOWN_CLOSE_CODE', choice([1001, 1012]), {
    group: 'Shutdown',
    default: 1001,
    doc: 'The close code for clients in a shutdown: 1001 is "going away", 1012 "service restart".',
  }),
  closeTimeoutSeconds: variable('CLOSE_TIMEOUT', duration({ min: 0.01, max: 300, unit: 'seconds' }), {
    group: 'Shutdown',
    default: 5,
    doc: 'How long a close waits for the client to read what is due and to answer, before the server terminates the connection.',
  }),
  terminationGraceSeconds: optional(
    'TERMINATION_GRACE_SECONDS',
    duration({ min: 0, max: MAX_TIMER_SECONDS, unit: 'seconds' }),
    {
      group: 'Shutdown',
      doc: 'The time that the platform grants between SIGTERM and SIGKILL (Kubernetes: terminationGracePeriodSeconds); the server warns at the start when a shutdown would not fit.',
    },
  ),

  maxConnections: variable('MAX_CONNECTIONS', integer({ min: 0, max: 10_000_000 }), {
    group: 'Connections and messages',
    default: 10_000,
    doc: 'How many clients may be connected at once; 0 is no limit.',
  }),
  handshakeTimeoutSeconds: variable('HANDSHAKE_TIMEOUT', duration({ min: 0.01, max: 300, unit: 'seconds' }), {
    group: 'Connections and messages',
    default: 10,
    doc: 'How long a handshake may wait for its token to be checked and for the application; then the server rejects it with 1013; waiting handshakes count against MAX_CONNECTIONS.',
  }),
  heartbeatIntervalSeconds: variable('HEARTBEAT_INTERVAL', duration({ min: 0.01, max: 86_400, unit: 'seconds' }), {
    group: 'Connections and messages',
    default: 25,
    doc: 'How often the server pings every client; it terminates a connection that has not answered by the next ping.',
  }),
  maxPayloadBytes: variable('MAX_PAYLOAD', bytes({ min: 128, max: 64 * 1024 ** 2 }), {
    group: 'Connections and messages',
    default: 65_536,
    doc: 'The largest message that a client may send; a larger one closes its connection with 1009.',
  }),
  maxBufferedBytes: variable('MAX_BUFFERED', bytes({ min: 1024, max: 1024 ** 3 }), {
    group: 'Connections and messages',
    default: 1_048_576,
    doc: 'How many bytes may wait for a client that does not read, before the server stops reading from it, too.',
  }),
  maxMessagesPerMinute: variable('MAX_MESSAGES_PER_MINUTE', integer({ min: 0, max: 1_000_000 }), {
    group: 'Connections and messages',
    default: 60,
    doc: 'How many messages a client may send in a minute; 0 is no limit.',
  }),
  maxChannelsPerMinute: variable('MAX_CHANNELS_PER_MINUTE', integer({ min: 0, max: 1_000_000 }), {
    group: 'Connections and messages',
    default: 300,
    doc: 'How many channels a client may subscribe to in a minute, those that its handshakes name included; it may use the budget at once; 0 is no limit.',
  }),
  maxReplayPerMinuteBytes: optional('MAX_REPLAY_PER_MINUTE', bytes({ min: 0, max: 1024 ** 4 }), {
    group: 'Connections and messages',
    defaultText: 'twice HISTORY_BYTES, at least 16 MiB',
    doc: 'How many bytes of the history the server replays to a client in a minute, for `?cursor=` and `since`; the client may use the budget at once; a replay counts as 16 KiB at least; 0 is no limit.',
  }),
  broadcastIntervalSeconds: variable(
    'BROADCAST_INTERVAL',
    duration({ min: 0, max: MAX_TIMER_SECONDS, unit: 'seconds' }),
    {
      group: 'Connections and messages',
      default: 10,
      doc: 'How often the server sends the periodic message to all clients; 0 sends none.',
    },
  ),
  presenceIntervalMs: variable('PRESENCE_INTERVAL', duration({ min: 0, max: 60_000, unit: 'milliseconds' }), {
    group: 'Connections and messages',
    default: 250,
    doc: 'The time over which the server gathers joins and leaves into one message; 0 turns presence off.',
  }),
  presenceListLimit: variable('PRESENCE_LIST_LIMIT', integer({ min: 0, max: 1000, unit: 'clients' }), {
    group: 'Connections and messages',
    default: 100,
    doc: 'How many clients of a channel `welcome` and `subscribed` list; their count includes all clients.',
  }),
  instanceTimeoutSeconds: variable('INSTANCE_TIMEOUT', duration({ min: 3, max: 600, unit: 'seconds' }), {
    group: 'Journal and history',
    default: 30,
    doc: 'How long another instance may append nothing before it counts as lost and its clients as gone; an instance announces itself every third of this time.',
  }),
  locale: variable('LOCALE', choice(LOCALES), {
    group: 'Connections and messages',
    default: 'uk',
    doc: 'The language of texts for a client whose Accept-Language names no language; one that names only other languages gets English.',
  }),

  authSecret: optional('AUTH_SECRET', secret({ minBytes: 32, why: HS256 }), {
    group: 'Access',
    defaultText: 'none: the server accepts every client',
    doc: 'The key with which the issuer signs tokens (JWT, HS256).',
  }),
  authPublicKey: optional('AUTH_PUBLIC_KEY', publicKey(), {
    group: 'Access',
    doc: 'The public key of the private key with which the issuer signs tokens (JWT).',
  }),
  authJwksUrl: optional('AUTH_JWKS_URL', url({ pattern: /^https?:\/\/[^\s]+$/, allowed: 'an https: or http: URL' }), {
    group: 'Access',
    doc: 'The address of the public keys of the issuer of tokens (JWT) (RFC 7517).',
  }),
  authIssuer: optional('AUTH_ISSUER', text({ pattern: /./, allowed: 'a text', placeholder: 'TEXT' }), {
    group: 'Access',
    doc: 'The required claim `iss` of a token.',
  }),
  authAudience: optional('AUTH_AUDIENCE', text({ pattern: /./, allowed: 'a text', placeholder: 'TEXT' }), {
    group: 'Access',
    doc: 'The required claim `aud` of a token, or one of its values.',
  }),
  jwtClockToleranceSeconds: variable('JWT_CLOCK_TOLERANCE', duration({ min: 0, max: 300, unit: 'seconds' }), {
    group: 'Access',
    default: 5,
    doc: 'How far the clock of the issuer may differ, when the server checks the claims `nbf`, `iat` and `exp` of a token.',
  }),
  sessionSecret: optional('SESSION_SECRET', secret({ minBytes: 32 }), {
    group: 'Access',
    defaultText: 'derived from AUTH_SECRET, else stored beside a `file:` journal, else random for each process',
    doc: 'The key with which the server signs sessions; it must be the same on all instances.',
  }),
  adminToken: optional('ADMIN_TOKEN', secret({ minBytes: 16 }), {
    group: 'Access',
    defaultText: 'none: the API is off',
    doc: 'The Bearer token that /api requires.',
  }),
  allowedOrigins: optional('ALLOWED_ORIGINS', origins(), {
    group: 'Access',
    defaultText: 'any',
    doc: 'The origins whose pages may connect; the server accepts clients that send no Origin, because they are not browsers.',
  }),
  rejectWith: variable('REJECT_WITH', choice(['close', 'http']), {
    group: 'Access',
    default: 'close',
    doc: 'How the server rejects a client: `close` accepts the upgrade and closes with a code, which a browser can see; `http` answers the upgrade with a status.',
  }),

  journalUrl: variable(
    'JOURNAL_URL',
    url({
      pattern: /^(?:memory:|file:.+|rediss?:\/\/\S+|amqps?:\/\/\S+)$/,
      allowed: 'memory:, file:PATH, redis://HOST or amqp://HOST',
    }),
    {
      group: 'Journal and history',
      default: 'file:./data/journal',
      doc: 'Where the server appends every message before it delivers it: `memory:` is lost with the process, `file:PATH` is shared by the processes of one machine, `redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]` (Redis 7 or Valkey) and `amqp://[USER:PASSWORD@]HOST[:PORT][/VHOST]` (RabbitMQ 3.9 or newer) by all machines, `rediss:` and `amqps:` with TLS, where `?key=NAME` or `?queue=NAME` names the stream, `ca=FILE` the certificates to trust, `cert=FILE` and `cert-key=FILE` those to show to Redis, and `sentinel=NAME` the primary of the Sentinels that are the hosts.',
    },
  ),
  historySize: variable('HISTORY_SIZE', integer({ min: 1, max: 10_000_000, unit: 'entries' }), {
    group: 'Journal and history',
    default: 10_000,
    doc: 'How many messages are retained for clients that resume; presence does not count.',
  }),
  historyTtlSeconds: variable('HISTORY_TTL', duration({ min: 0.1, max: 31_536_000, unit: 'seconds' }), {
    group: 'Journal and history',
    default: 300,
    doc: 'How long the server retains an entry for clients that resume.',
  }),
  historyBytes: variable('HISTORY_BYTES', bytes({ min: 1024, max: 64 * 1024 ** 3 }), {
    group: 'Journal and history',
    default: 64 * 1024 ** 2,
    doc: 'The size of all retained entries together.',
  }),
  journalTimeoutSeconds: optional('JOURNAL_TIMEOUT', duration({ min: 0.1, max: 300, unit: 'seconds' }), {
    group: 'Journal and history',
    defaultText: '5 s; 2 s for a journal on another machine',
    doc: 'How long the journal may take to answer an append before the server refuses messages until the journal answers.',
  }),
  readyWithoutJournal: variable('READY_WITHOUT_JOURNAL', toggle(), {
    group: 'Journal and history',
    default: true,
    doc: 'Whether GET /ready answers 200 while the journal is unavailable; with `off` it answers 503, and a balancer may take all instances out at once.',
  }),

  logLevel: variable('LOG_LEVEL', choice(LOG_LEVELS, { warning: 'warn', critical: 'error', fatal: 'error' }), {
    group: 'Operation',
    default: 'info',
    doc: 'The least severe level that the server logs; WARNING is `warn`, CRITICAL is `error`.',
  }),
  logFormat: variable('LOG_FORMAT', choice(['auto', 'pretty', 'json']), {
    group: 'Operation',
    default: 'auto',
    doc: '`auto` is `pretty` at a terminal, else `json`: one object a line.',
  }),
  logAddresses: variable('LOG_ADDRESSES', toggle(), {
    group: 'Operation',
    default: true,
    doc: 'Whether log lines about connects, rejections and abuse name the IP address of the client.',
  }),
  metrics: variable('METRICS', toggle(), {
    group: 'Operation',
    default: true,
    doc: 'Whether GET /metrics answers.',
  }),
  build: variable(
    'BUILD',
    text({
      pattern: BUILD_PATTERN,
      allowed: '1 to 128 letters, digits and . _ + : @ / -',
      placeholder: 'TEXT',
    }),
    {
      group: 'Operation',
      default: VERSION,
      defaultText: 'the version of the package',
      doc: 'The name of this deploy, for example a commit or an image tag.',
    },
  ),
  workers: optional('WORKERS', integer({ min: 1, max: 1024 }), {
    group: 'Operation',
    defaultText: 'none: one process',
    doc: 'How many worker processes share the port and the journal, which must be one of several processes; best the number of processors.',
    commandOnly: true,
  }),
  workerTimeoutSeconds: optional('WORKER_TIMEOUT', duration({ min: 2, max: 3_600, unit: 'seconds' }), {
    group: 'Operation',
    defaultText: '30 s',
    doc: 'How long a worker may fail to answer before the primary kills and replaces it.',
    commandOnly: true,
  }),
  workerStartTimeoutSeconds: optional('WORKER_START_TIMEOUT', duration({ min: 5, max: 3_600, unit: 'seconds' }), {
    group: 'Operation',
    defaultText: '60 s',
    doc: 'How long a worker may take until it listens, without the time during which it waits for the server of its journal.',
    commandOnly: true,
  }),
  envFile: optional('ENV_FILE', text({ pattern: /./, allowed: 'a file', placeholder: 'FILE' }), {
    group: 'Operation',
    doc: 'A file of `NAME=value` lines for variables that the environment does not set; read again on SIGHUP.',
    commandOnly: true,
  }),
})

/** The configuration of a server. Units are in the names; a variable without a value is `undefined`. */
export type Config = Readonly<z.output<typeof configSchema>>

export type ConfigKey = keyof Config

/** A variable with its place in `Config`. */
export interface Variable extends VariableMeta {
  readonly key: ConfigKey
  /** The flag of the command line, without the dashes: `shutdown-timeout`. */
  readonly flag: string
}

/** Every variable, in the order of the reference. */
export const VARIABLES: readonly Variable[] = Object.entries(configSchema.shape).map(([key, schema]) => {
  const meta = metaOf(schema)
  return { ...meta, key: key as ConfigKey, flag: meta.name.toLowerCase().replaceAll('_', '-') }
})
