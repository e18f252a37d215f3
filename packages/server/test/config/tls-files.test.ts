/** The problems that the server reports for files that TLS cannot use. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { configFrom, loadConfig } from '../../src/config/load-config.js'
import { formatProblem } from '../../src/config/problems.js'
import { readTlsFiles } from '../../src/config/tls-files.js'
import { certFile, keyFile } from '../support/certificates.js'
import { removeFolder } from '../support/remove-folder.js'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastcall-tls-'))
})

afterEach(() => removeFolder(folder))

function put(name: string, content: string): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}

test('the server reads a certificate and its key', () => {
  expect(readTlsFiles(certFile('first'), keyFile('first'))).toEqual({
    cert: readFileSync(certFile('first')),
    key: readFileSync(keyFile('first')),
  })
})

test('the server ignores a byte order mark at the start of either file', () => {
  const marked = (file: string): string => put(basename(file), `\uFEFF${readFileSync(file, 'utf8')}`)
  expect(readTlsFiles(marked(certFile('first')), marked(keyFile('first')))).toEqual({
    cert: readFileSync(certFile('first')),
    key: readFileSync(keyFile('first')),
  })
})

test('a file in UTF-16 is a problem that names the encoding', () => {
  const file = join(folder, 'utf-16.pem')
  writeFileSync(file, Buffer.from(`\uFEFF${readFileSync(certFile('first'), 'utf8')}`, 'utf16le'))
  expect(readTlsFiles(file, keyFile('first'))).toEqual({
    of: 'tlsCert',
    expected: 'is written in UTF-16: save it in UTF-8',
  })
})

test('a missing file is a problem', () => {
  const missing = join(folder, 'missing.pem')
  expect(readTlsFiles(missing, keyFile('first'))).toMatchObject({
    of: 'tlsCert',
    expected: expect.stringMatching(/^cannot be read: ENOENT/) as string,
  })
  expect(readTlsFiles(certFile('first'), missing)).toMatchObject({ of: 'tlsKey' })
})

test('a file with other content is a problem', () => {
  const rubbish = put('rubbish.pem', 'rubbish')
  expect(readTlsFiles(rubbish, keyFile('first'))).toEqual({
    of: 'tlsCert',
    expected: 'must be a file with a certificate in PEM',
  })
  expect(readTlsFiles(certFile('first'), rubbish)).toEqual({
    of: 'tlsKey',
    expected: 'must be a file with a private key in PEM, without a passphrase',
  })
})

test('an encrypted key is a problem', () => {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' },
  })
  expect(readTlsFiles(certFile('first'), put('locked.pem', privateKey))).toMatchObject({ of: 'tlsKey' })
})

test('the key of another certificate is a problem of the configuration, however the user gives it', () => {
  const problem = 'must be the private key of the certificate, but belongs to another one'
  expect(readTlsFiles(certFile('first'), keyFile('second'))).toEqual({ of: 'tlsKey', expected: problem })

  const env = { TLS_CERT: certFile('first'), TLS_KEY: keyFile('second') }
  const result = loadConfig({ env })
  expect(result.ok ? [] : result.problems.map(formatProblem)).toEqual([
    `TLS_KEY=${JSON.stringify(keyFile('second'))}: ${problem}`,
  ])
  expect(() => configFrom({ tlsCert: certFile('first'), tlsKey: keyFile('second') })).toThrow(`: ${problem}`)
})
