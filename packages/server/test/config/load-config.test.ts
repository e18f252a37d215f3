/** The complete configuration: the sources of its values, and the problems that it reports. */
import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { crossProblems } from '../../src/config/cross-checks.js'
import { configFrom, loadConfig } from '../../src/config/load-config.js'
import { formatProblem } from '../../src/config/problems.js'
import { VARIABLES, type Config } from '../../src/config/schema.js'
import { LastcallError } from '../../src/errors.js'

const SECRET = 'a secret of more than thirty-two bytes'

type Env = Readonly<Record<string, string>>

function load(env: Env = {}, argv: readonly string[] = []) {
  const result = loadConfig({ env, argv })
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'))
  return result
}

function problems(env: Env = {}, argv: readonly string[] = []): string[] {
  const result = loadConfig({ env, argv })
  return result.ok ? [] : result.problems.map(formatProblem)
}

describe('without any variable or flag', () => {
  test('the defaults are those of the specification and the design', () => {
    expect(load().config).toMatchObject({
      host: '0.0.0.0',
      port: 8000,
      shutdownTimeoutSeconds: 1800,
      broadcastIntervalSeconds: 10,
      logLevel: 'info',
      keepAliveTimeoutSeconds: 3600,
      maxMessagesPerMinute: 60,
      maxConnections: 10_000,
      locale: 'uk',
      journalUrl: 'file:./data/journal',
      historyBytes: 67_108_864,
    })
  })

  test('every default passes its own check', () => {
    for (const { defaultValue, name, kind } of VARIABLES) {
      if (defaultValue !== undefined) expect(kind.schema.safeParse(defaultValue).success, name).toBe(true)
    }
  })

  test('the defaults given as texts result in the same configuration', () => {
    const env = Object.fromEntries(
      VARIABLES.filter(({ defaultValue }) => defaultValue !== undefined).map(({ name, kind, defaultValue }) => [
        name,
        kind.toText(defaultValue),
      ]),
    )
    expect(load(env).config).toEqual(load().config)
  })
})

describe('a value', () => {
  test('comes from the environment, or from the flag of the same name, which wins', () => {
    const { config, sources } = load({ PORT: '9000', HOST: '::1' }, ['--port', '9001', '--log-level=ERROR'])
    expect(config).toMatchObject({ port: 9001, host: '::1', logLevel: 'error', broadcastIntervalSeconds: 10 })
    expect(sources).toMatchObject({
      port: 'flag',
      host: 'environment',
      logLevel: 'flag',
      broadcastIntervalSeconds: 'default',
    })
  })

  test('that is empty counts as unset', () => {
    const { config, sources } = load({ PORT: '', HOST: '  ', AUTH_SECRET: '' }, ['--locale='])
    expect(config).toEqual(load().config)
    expect(new Set(Object.values(sources))).toEqual(new Set(['default']))
  })

  test('that is a secret keeps its blanks', () => {
    expect(load({ AUTH_SECRET: ` ${SECRET} ` }).config.authSecret).toBe(` ${SECRET} `)
  })

  test.each([
    ['DEBUG', 'debug'],
    ['Info', 'info'],
    ['WARNING', 'warn'],
    ['warn', 'warn'],
    ['ERROR', 'error'],
    ['CRITICAL', 'error'],
  ])('of LOG_LEVEL can be written as in Python: %s', (text, level) => {
    expect(load({ LOG_LEVEL: text }).config.logLevel).toBe(level)
  })

  test('given twice on the command line is the last of both', () => {
    expect(load({}, ['--port', '1', '--port', '2']).config.port).toBe(2)
  })
})

describe('problems', () => {
  test('are reported all at once, each with the given and the allowed value', () => {
    expect(problems({ PORT: 'http', SHUTDOWN_TIMEOUT: 'soon', LOCALE: 'de' }, ['--max-connections', '-1'])).toEqual([
      'PORT="http": must be a whole number from 0 to 65535',
      'SHUTDOWN_TIMEOUT="soon": must be a time from 0 to 604800 seconds, such as 90, 0.5, 250ms, 30s, 5m or 1h',
      '--max-connections="-1": must be a whole number from 0 to 10000000',
      'LOCALE="de": must be uk or en',
    ])
  })

  test('never show a secret', () => {
    const text = problems({
      AUTH_SECRET: 'hunter2',
      SESSION_SECRET: 'hunter3',
      AUTH_JWKS_URL: 'ftp://anna:hunter4@host/',
      JOURNAL_URL: 'amqp:/anna:hunter5@host/',
    }).join('\n')
    expect(text).toContain('AUTH_SECRET=(hidden, 7 bytes): must be at least 32 bytes long: HS256')
    expect(text).toContain('SESSION_SECRET')
    expect(text).toContain('AUTH_JWKS_URL')
    expect(text).toContain('JOURNAL_URL')
    expect(text).not.toMatch(/hunter|anna/)
  })

  test('cannot break a line of the terminal or fill it', () => {
    const [line = ''] = problems({ HOST: `a\n\u001b[2J${'x'.repeat(10_000)}` })
    expect(line).toMatch(/^HOST="a\\n\\u001b/)
    expect(line.length).toBeLessThan(200)
  })

  test('with flags suggest the flag that the user probably meant', () => {
    expect(problems({}, ['--shutdown-timout', '5', '--xyz', '--port'])).toEqual([
      '--shutdown-timout: is not a flag. Did you mean --shutdown-timeout?',
      '--xyz: is not a flag',
      '--port: needs a value',
    ])
  })

  test('include words that belong to no flag', () => {
    expect(problems({}, ['8000'])).toEqual(['8000: is not a flag; values follow one, as in --port 8000'])
  })
})

describe('variables that belong together', () => {
  test('workers need a journal that several processes can share', () => {
    expect(problems({ WORKERS: '2', JOURNAL_URL: 'memory:' })).toEqual([
      expect.stringMatching(/^WORKERS: needs a JOURNAL_URL that several processes can share/),
    ])
    expect(problems({ WORKERS: '2' })).toEqual([])
  })

  test('a journal of several machines needs a shared session secret', () => {
    const JOURNAL_URL = 'redis://host'
    expect(problems({ JOURNAL_URL })).toEqual([
      expect.stringMatching(/^SESSION_SECRET: must be set, or AUTH_SECRET, and be the same on all instances/),
    ])
    expect(problems({ JOURNAL_URL, AUTH_SECRET: SECRET })).toEqual([])
    expect(problems({ JOURNAL_URL, SESSION_SECRET: SECRET })).toEqual([])
  })

  test.each([
    ['redis://anna@host', 'names a user without a password'],
    ['redis://:hunter2/3@host', 'contains a / before the @; write %2F in a password'],
    ['redis://:hunter2#3@host', 'contains a #; write %23 in a password'],
    ['redis://host?password=hunter2', 'may have only these parameters: key, sentinel, ca, cert, cert-key'],
  ])('the problem of %s is reported without its value', (JOURNAL_URL, problem) => {
    expect(problems({ JOURNAL_URL, AUTH_SECRET: SECRET })).toEqual([`JOURNAL_URL: ${problem}`])
  })

  test('at most one way to check tokens may be configured', () => {
    expect(problems({ AUTH_SECRET: SECRET, AUTH_JWKS_URL: 'https://example.com/jwks' })).toEqual([
      'AUTH_SECRET: only one of AUTH_SECRET, AUTH_PUBLIC_KEY, AUTH_JWKS_URL may be set',
    ])
  })

  test('an issuer or an audience without a key is a problem, because the server would check no token', () => {
    expect(problems({ AUTH_ISSUER: 'us', AUTH_AUDIENCE: 'them' }).map((line) => line.split(':')[0])).toEqual([
      'AUTH_ISSUER',
      'AUTH_AUDIENCE',
    ])
    expect(problems({ AUTH_ISSUER: 'us', AUTH_AUDIENCE: 'them', AUTH_SECRET: SECRET })).toEqual([])
  })

  test('a key that is not valid is one problem, not two', () => {
    expect(problems({ AUTH_SECRET: 'short', AUTH_ISSUER: 'us' })).toHaveLength(1)
  })

  test('the largest message must fit into the retained history', () => {
    expect(problems({ MAX_PAYLOAD: '1m', HISTORY_BYTES: '512k' })).toEqual([
      'MAX_PAYLOAD: must not be more than HISTORY_BYTES: the server must be able to retain the largest message',
    ])
    expect(problems({ MAX_PAYLOAD: '1m', HISTORY_BYTES: '1m' })).toEqual([])
  })

  test('the delay is a part of the shutdown', () => {
    expect(problems({ SHUTDOWN_TIMEOUT: '10', SHUTDOWN_DELAY: '11' })).toEqual([
      'SHUTDOWN_DELAY: must not be more than SHUTDOWN_TIMEOUT, because it is a part of that time',
    ])
    expect(problems({ SHUTDOWN_TIMEOUT: '10', SHUTDOWN_DELAY: '10' })).toEqual([])
  })

  test.each<[Partial<Config>, string[]]>([
    [{ tlsCert: 'cert.pem' }, ['tlsCert: needs tlsKey, too']],
    [{ tlsKey: 'key.pem' }, ['tlsKey: needs tlsCert, too']],
    [{ tlsCert: 'cert.pem', tlsKey: 'key.pem' }, []],
    [
      { shutdownSpreadSeconds: 1801 },
      ['shutdownSpreadSeconds: must not be more than shutdownTimeoutSeconds, because it is a part of that time'],
    ],
  ])('of two values are found together: %j', (values, expected) => {
    const found = crossProblems({ ...configFrom(), ...values }, new Set(), (key) => key)
    expect(found.map(formatProblem)).toEqual(expected)
  })
})

describe('as a library', () => {
  test('options replace defaults', () => {
    expect(configFrom({ port: 0, journalUrl: 'memory:' })).toEqual({ ...load().config, port: 0, journalUrl: 'memory:' })
  })

  test('an undefined option counts as unset', () => {
    expect(configFrom({ shutdownSpreadSeconds: undefined })).toEqual(load().config)
  })

  test('a loaded configuration is valid as options', () => {
    const { config } = load({ ALLOWED_ORIGINS: 'https://a.example', TRUST_PROXY: 'loopback', AUTH_SECRET: SECRET })
    expect(configFrom(config)).toEqual(config)
  })

  test('the environment has no effect', () => {
    expect(configFrom().port).toBe(8000)
  })

  test('all problems are in one error with a code', () => {
    const options = { port: 70_000, prot: 1, authSecret: 'hunter2', journalUrl: 'amqp:/localhost' }
    let thrown: unknown
    try {
      configFrom(options)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(LastcallError)
    expect(thrown).toMatchObject({ code: 'config_invalid', temporary: false })
    const message = thrown instanceof Error ? thrown.message : ''
    expect(message).toContain('prot: is not an option. Did you mean port?')
    expect(message).toContain('port=70000: must be')
    expect(message).toContain('journalUrl=amqp:/localhost: must be memory:, file:PATH, redis://HOST or amqp://HOST')
    expect(message).toContain('authSecret=')
    expect(message).not.toContain('hunter2')
  })
})

test.each([
  ['workers', 2],
  ['envFile', 'a-file'],
])('%s is for the command alone', (key, value) => {
  expect(() => configFrom({ [key]: value })).toThrow(`${key}: is for the command \`lastcall\``)
})

test('the names of variables, flags and options follow one rule', () => {
  for (const { name, flag, key } of VARIABLES) {
    expect(name).toMatch(/^[A-Z]+(?:_[A-Z]+)*$/)
    expect(flag).toBe(name.toLowerCase().replaceAll('_', '-'))
    const camel = name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
    expect(key.startsWith(camel), `${key} begins with ${camel}`).toBe(true)
    expect(key.slice(camel.length)).toMatch(/^(?:|Seconds|Ms|Bytes)$/)
  }
})

test('every variable has a description of one sentence', () => {
  for (const { name, doc } of VARIABLES) {
    expect(doc, name).toMatch(/^[^\n]+\.$/)
    expect(doc.split(/\. [A-Z]/), name).toHaveLength(1)
  }
})

test('the source uses every variable', () => {
  const source = new URL('../../src/', import.meta.url)
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  const code = files
    .filter((file) => file.endsWith('.ts') && !file.startsWith('config'))
    .map((file) => readFileSync(new URL(file, source), 'utf8'))
    .join('\n')
  // The loader itself reads ENV_FILE.
  const unused = VARIABLES.filter(({ key }) => key !== 'envFile' && !new RegExp(`\\b${key}\\b`).test(code))
  expect(unused.map(({ name }) => name)).toEqual([])
})
