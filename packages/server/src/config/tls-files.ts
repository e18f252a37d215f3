/**
 * The files of TLS_CERT and TLS_KEY: read, and looked at before they are used, so that what is wrong with them is told
 * in the words of the configuration and not in those of OpenSSL at the first handshake.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { rsaProblem } from './keys.js'
import { readTextFile } from './text-file.js'

/** What a TLS server needs. */
export interface TlsFiles {
  /** The certificate chain, in PEM. */
  readonly cert: Buffer
  /** The private key of its first certificate, in PEM. */
  readonly key: Buffer
}

export interface TlsProblem {
  /** Of which file it is said. */
  readonly of: 'tlsCert' | 'tlsKey'
  readonly expected: string
}

/** Both files, or what is wrong with them. */
export function readTlsFiles(certFile: string, keyFile: string): TlsFiles | TlsProblem {
  const cert = readTextFile(certFile)
  if (typeof cert === 'string') return { of: 'tlsCert', expected: cert }
  const key = readTextFile(keyFile)
  if (typeof key === 'string') return { of: 'tlsKey', expected: key }
  const certificate = attempt(() => new X509Certificate(cert))
  if (certificate instanceof Error) return { of: 'tlsCert', expected: 'must be a file with a certificate in PEM' }
  const privateKey = attempt((): KeyObject => createPrivateKey(key))
  if (privateKey instanceof Error) {
    return { of: 'tlsKey', expected: 'must be a file with a private key in PEM, without a passphrase' }
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    return { of: 'tlsKey', expected: 'must be the private key of the certificate, and is that of another one' }
  }
  const weakness = rsaProblem(privateKey)
  if (weakness !== undefined) return { of: 'tlsKey', expected: weakness }
  // Whatever else OpenSSL refuses, a signature by SHA-1, for example.
  const context = attempt(() => createSecureContext({ cert, key }))
  return context instanceof Error ? { of: 'tlsCert', expected: `cannot be used: ${context.message}` } : { cert, key }
}

function attempt<T>(action: () => T): T | Error {
  try {
    return action()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
