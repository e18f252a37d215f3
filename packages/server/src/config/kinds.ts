/**
 * The kinds of values of configuration variables: how each is parsed, checked, formatted and described. This file knows no
 * variable.
 */
import { isIP } from 'node:net'
import * as z from 'zod'
import { withoutCredentials } from '../conceal.js'
import { tokenKeyProblem } from './keys.js'
import { isOriginPattern } from './origins.js'

export interface Kind<T> {
  /** Checks a value, from a text or from the options of a library call. */
  readonly schema: z.ZodType<T>
  /** Parses a text. Returns a value that `schema` rejects when the text cannot be parsed. */
  fromText(text: string): unknown
  /** The value as text, as an operator would write it. */
  toText(value: T): string
  /** A given text without its secret parts. Default: the text itself. */
  conceal?(text: string): string
  /** Whether the value is secret. */
  readonly secret?: boolean
  /** The allowed values, to follow "must be". */
  readonly allowed: string
  /** Examples, where a value can be written in several ways. */
  readonly examples?: string
  /** The problem of this value, where it is more specific than `allowed`. */
  problem?(value: unknown): string | undefined
  /** Stands for the value in `--help`. */
  readonly placeholder: string
  /** The unit of numbers that have one. */
  readonly unit?: 'seconds' | 'milliseconds' | 'bytes' | 'entries' | 'clients'
}

/** The requirement, to follow the name of the variable. */
export const mustBe = ({ allowed, examples }: Kind<unknown>): string =>
  `must be ${allowed}${examples === undefined ? '' : `, such as ${examples}`}`

interface Range {
  readonly min: number
  readonly max: number
}

const NUMBER = /^\d+(?:\.\d+)?$/

/** An integer. */
export function integer({ min, max, unit }: Range & { unit?: 'entries' | 'clients' }): Kind<number> {
  return {
    schema: z.int().min(min).max(max),
    fromText: (text) => (NUMBER.test(text) ? Number(text) : text),
    toText: String,
    allowed: `a whole number from ${String(min)} to ${String(max)}`,
    placeholder: 'N',
    ...(unit && { unit }),
  }
}

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A time span: a plain number in `unit`, or a number with a suffix. */
export function duration({ min, max, unit }: Range & { unit: 'seconds' | 'milliseconds' }): Kind<number> {
  const unitMs = unit === 'seconds' ? 1_000 : 1
  return {
    schema: z.number().min(min).max(max),
    fromText(text) {
      const [, number, suffix] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)?$/.exec(text) ?? []
      if (number === undefined) return text
      if (suffix === undefined) return Number(number)
      return (Number(number) * MILLISECONDS[suffix as keyof typeof MILLISECONDS]) / unitMs
    },
    toText: String,
    allowed: `a time from ${String(min)} to ${String(max)} ${unit}`,
    examples: unit === 'seconds' ? '90, 0.5, 250ms, 30s, 5m or 1h' : '250, 250ms or 1s',
    placeholder: unit === 'seconds' ? 'SECONDS' : 'MS',
    unit,
  }
}

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  k: 1_024,
  kib: 1_024,
  kb: 1_000,
  m: 1_024 ** 2,
  mib: 1_024 ** 2,
  mb: 1_000 ** 2,
  g: 1_024 ** 3,
  gib: 1_024 ** 3,
  gb: 1_000 ** 3,
}

/** A size: bytes, or a number with a suffix (k, m, g and KiB, MiB, GiB are powers of 1024; KB, MB, GB of 1000). */
export function bytes({ min, max }: Range): Kind<number> {
  return {
    schema: z.int().min(min).max(max),
    fromText(text) {
      const [, number, suffix] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text) ?? []
      if (number === undefined || suffix === undefined) return text
      return Number(number) * (suffix === '' ? 1 : (BYTES[suffix.toLowerCase()] ?? NaN))
    },
    toText: String,
    allowed: `a size from ${String(min)} to ${String(max)} bytes`,
    examples: '65536, 64k, 64KiB or 16MB',
    placeholder: 'BYTES',
    unit: 'bytes',
  }
}

const inWords = (choices: readonly (string | number)[]): string => choices.join(', ').replace(/, ([^,]*)$/, ' or $1')

/** One of several words, in any letter case; `aliases` are other words for some of them. */
export function choice<const T extends string | number>(
  choices: readonly T[],
  aliases: Readonly<Record<string, T>> = {},
): Kind<T> {
  return {
    schema: z.literal([...choices]),
    fromText(text) {
      const word = text.toLowerCase()
      return Object.hasOwn(aliases, word) ? aliases[word] : (choices.find((each) => String(each) === word) ?? text)
    },
    toText: String,
    allowed: inWords(choices),
    placeholder: choices.join('|'),
  }
}

const ON = ['on', 'true', 'yes', '1']
const OFF = ['off', 'false', 'no', '0']

const toggled = (text: string): boolean | string => {
  const word = text.toLowerCase()
  return ON.includes(word) ? true : OFF.includes(word) ? false : text
}

/** On or off. */
export function toggle(): Kind<boolean> {
  return {
    schema: z.boolean(),
    fromText: toggled,
    toText: (value) => (value ? 'on' : 'off'),
    allowed: 'on or off',
    placeholder: 'on|off',
  }
}

/** Text that matches a pattern. */
export function text({ pattern, allowed, placeholder }: TextOptions): Kind<string> {
  return { schema: z.string().regex(pattern), fromText: (given) => given, toText: String, allowed, placeholder }
}

interface TextOptions {
  readonly pattern: RegExp
  readonly allowed: string
  readonly placeholder: string
}

/** A secret text. Its length counts in UTF-8 bytes. */
export function secret({ minBytes, why = '' }: { minBytes: number; why?: string }): Kind<string> {
  return {
    schema: z.string().refine((value) => Buffer.byteLength(value) >= minBytes),
    fromText: (given) => given,
    toText: () => '(set)',
    secret: true,
    conceal: (given) => `(hidden, ${String(Buffer.byteLength(given))} bytes)`,
    allowed: `at least ${String(minBytes)} bytes long${why}`,
    placeholder: 'TEXT',
  }
}

/** A URL with one of these schemes (`https:`). Its user and password are hidden. */
export function url({ pattern, allowed }: { pattern: RegExp; allowed: string }): Kind<string> {
  return {
    schema: z.string().regex(pattern),
    fromText: (given) => given,
    toText: withoutCredentials,
    conceal: withoutCredentials,
    allowed,
    placeholder: 'URL',
  }
}

/** A public key in PEM (RFC 7468). Environment files often cannot hold line breaks: `\n` stands for one. */
export function publicKey(): Kind<string> {
  return {
    schema: z.string().refine((pem) => tokenKeyProblem(pem) === undefined),
    problem: (value) => (typeof value === 'string' ? tokenKeyProblem(value) : undefined),
    fromText: (given) => given.replaceAll('\\n', '\n'),
    toText: () => '(set)',
    conceal: () => '(not shown)',
    allowed:
      'a public key or a certificate in PEM (-----BEGIN PUBLIC KEY-----): RSA of at least 2048 bits, EC or Ed25519; \\n may stand for a line break',
    placeholder: 'PEM',
  }
}

const listed = (given: string): string[] =>
  given
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')

/** Origins (RFC 6454): each in the form that a browser sends or people write, all subdomains of a host, or `null`. */
export function origins(): Kind<readonly string[]> {
  return {
    schema: z.array(z.string().refine(isOriginPattern)).min(1),
    fromText: (given) => listed(given).map((each) => each.replace(/\/$/, '')),
    toText: (value) => value.join(','),
    allowed:
      'a list of origins, such as https://example.com,http://localhost:8000; https://*.example.com names all subdomains, ' +
      'and null the origin of sandboxed frames and files',
    placeholder: 'LIST',
  }
}

const NETWORK_NAMES = ['loopback', 'linklocal', 'uniquelocal']

function isNetwork(given: string): boolean {
  if (NETWORK_NAMES.includes(given)) return true
  const [address = '', prefix, ...rest] = given.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}

/** The trusted proxies: all, none, or those at these addresses. */
export function proxies(): Kind<boolean | readonly string[]> {
  return {
    schema: z.union([z.boolean(), z.array(z.string().refine(isNetwork)).min(1)]),
    fromText(given) {
      const word = toggled(given)
      return typeof word === 'boolean' ? word : listed(word)
    },
    toText: (value) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : value.join(',')),
    allowed: 'off, on (any proxy), or a list of addresses and networks, such as 10.0.0.0/8,::1 or loopback',
    placeholder: 'LIST',
  }
}
