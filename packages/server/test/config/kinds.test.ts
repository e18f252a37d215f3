/**
 * The syntax of values: times, sizes, choices, lists, keys.
 */
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bytes,
  choice,
  duration,
  integer,
  origins,
  proxies,
  publicKey,
  secret,
  toggle,
  url,
  type Kind,
} from '../../src/config/kinds.js'

/** The value that a kind reads from a text; 'refused' when the kind does not allow it. */
function read<T>(kind: Kind<T>, text: string): T | 'refused' {
  const result = kind.schema.safeParse(kind.fromText(text))
  return result.success ? result.data : 'refused'
}

describe('a time', () => {
  const seconds = duration({ min: 0, max: 604_800, unit: 'seconds' })
  const milliseconds = duration({ min: 0, max: 60_000, unit: 'milliseconds' })

  test.each([
    ['90', 90],
    ['0.5', 0.5],
    ['250ms', 0.25],
    ['30s', 30],
    ['30 s', 30],
    ['5m', 300],
    ['1h', 3_600],
    ['7d', 604_800],
  ])('in seconds: %s is %d', (text, value) => {
    expect(read(seconds, text)).toBe(value)
  })

  test.each([
    ['250', 250],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['1m', 60_000],
  ])('in milliseconds: %s is %d', (text, value) => {
    expect(read(milliseconds, text)).toBe(value)
  })

  test.each(['', 'soon', '-1', '1e3', '0x10', 'Infinity', 'NaN', '5M', '5 minutes', '1,5', '8d', '604801'])(
    'cannot be %j',
    (text) => {
      expect(read(seconds, text)).toBe('refused')
    },
  )

  test('a number without a suffix equals the number with the suffix of the default unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60_000 }), (number) => {
        expect(read(seconds, `${String(number)}s`)).toBe(read(seconds, String(number)))
        expect(read(milliseconds, `${String(number)}ms`)).toBe(read(milliseconds, String(number)))
      }),
    )
  })

  test('the parser returns a value within the range or a problem for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const value = read(seconds, text)
        expect(value === 'refused' || (value >= 0 && value <= 604_800)).toBe(true)
      }),
    )
  })
})

describe('a size', () => {
  const size = bytes({ min: 1, max: 1024 ** 3 })

  test.each([
    ['65536', 65_536],
    ['64k', 65_536],
    ['64KiB', 65_536],
    ['64MiB', 67_108_864],
    ['64 MiB', 67_108_864],
    ['16MB', 16_000_000],
    ['64KB', 64_000],
    ['1g', 1_073_741_824],
    ['1.5k', 1_536],
    ['10b', 10],
  ])('%s is %d bytes', (text, value) => {
    expect(read(size, text)).toBe(value)
  })

  test.each(['0', '2g', '1.3', '64 kilo', 'k', '-1', 'constructor', '1toString'])('cannot be %j', (text) => {
    expect(read(size, text)).toBe('refused')
  })
})

describe('a number', () => {
  const number = integer({ min: 0, max: 10 })

  test.each(['0', '7', '10'])('can be %s', (text) => {
    expect(read(number, text)).toBe(Number(text))
  })

  test.each(['11', '-1', '1.5', '0x1', '1e1', ' ', 'seven'])('cannot be %j', (text) => {
    expect(read(number, text)).toBe('refused')
  })
})

describe('a choice', () => {
  const level = choice(['info', 'warn'], { warning: 'warn' })

  test.each(['warn', 'WARN', 'Warning'])('%s is warn', (text) => {
    expect(read(level, text)).toBe('warn')
  })

  test('a property name of every object is not a choice', () => {
    expect(read(level, 'constructor')).toBe('refused')
  })

  test('of numbers gives a number', () => {
    expect(read(choice([1001, 1012]), '1012')).toBe(1012)
  })
})

test.each([
  ['on', true],
  ['TRUE', true],
  ['1', true],
  ['yes', true],
  ['off', false],
  ['False', false],
  ['0', false],
  ['no', false],
  ['maybe', 'refused'],
] as const)('a toggle: %s is %s', (text, value) => {
  expect(read(toggle(), text)).toBe(value)
})

describe('a secret', () => {
  const key = secret({ minBytes: 4 })

  test('is measured in bytes, not in characters', () => {
    expect(read(key, 'її')).toBe('її')
    expect(read(key, 'їa')).toBe('refused')
  })

  test('never appears in a message, whether it is valid or not', () => {
    expect(key.toText('hunter22')).toBe('(set)')
    expect(key.conceal?.('hun')).toBe('(hidden, 3 bytes)')
  })
})

test('a message omits the user and the password of a URL', () => {
  const any = url({ pattern: /./, allowed: '' })
  expect(any.toText('redis://anna:p@ss/w@host:6379/0')).toBe('redis://(hidden)@host:6379/0')
  expect(any.toText('redis://host:6379/0')).toBe('redis://host:6379/0')
  expect(any.toText('redis:/anna:p@ss@host')).toBe('redis:/(hidden)@host')
  expect(any.toText('anna:p@ss@host')).toBe('(hidden)@host')
  expect(any.toText('redis://host?key=a&Password=p%20s&ca=b')).toBe('redis://host?key=a&Password=(hidden)&ca=b')
  expect(any.toText('file:./data@home/journal')).toBe('file:./data@home/journal')
})

describe('a public key', () => {
  const { publicKey: key, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = key.export({ type: 'spki', format: 'pem' }).toString()

  test('is PEM, with line breaks or with \\n in their place', () => {
    expect(read(publicKey(), pem)).toBe(pem)
    expect(read(publicKey(), pem.replaceAll('\n', '\\n'))).toBe(pem)
  })

  test('rejects a private key, which does not belong there', () => {
    expect(read(publicKey(), privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())).toBe('refused')
  })

  test('rejects text that only resembles a key', () => {
    expect(read(publicKey(), '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n')).toBe('refused')
  })
})

test('origins may end in a slash, have a wildcard for subdomains, or be `null`', () => {
  expect(read(origins(), 'https://Example.com/, http://localhost:8000 , https://*.example.com,null,')).toEqual([
    'https://Example.com',
    'http://localhost:8000',
    'https://*.example.com',
    'null',
  ])
})

test.each(['example.com', 'https://example.com/path', 'https://*.*.example.com', ','])(
  '%j is not an origin',
  (text) => {
    expect(read(origins(), text)).toBe('refused')
  },
)

test('proxies are all, none, or listed', () => {
  expect(read(proxies(), 'off')).toBe(false)
  expect(read(proxies(), 'on')).toBe(true)
  expect(read(proxies(), '10.0.0.0/8, ::1, fd00::/8, loopback')).toEqual(['10.0.0.0/8', '::1', 'fd00::/8', 'loopback'])
})

test.each(['everybody', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '::1/129', '10.0.0.0/8/8'])(
  '%j is not a network',
  (text) => {
    expect(read(proxies(), text)).toBe('refused')
  },
)
