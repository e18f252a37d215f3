/**
 * The files of TLS_CERT and TLS_KEY. They are read and checked before their use, so that a problem is reported in the words of
 * the configuration and not in those of OpenSSL at the first handshake.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { rsaProblem } from './keys.js'
import { readTextFile } from './text-file.js'

/** The credentials of a TLS server. */
export interface TlsFiles {
  /** The certificate chain, in PEM. */
  readonly cert: Buffer
  /** The private key of its first certificate, in PEM. */
  readonly key: Buffer
}

export interface TlsProblem {
  /** The variable whose file has the problem. */
  readonly of: 'tlsCert' | 'tlsKey'
  readonly expected: string
}

/** Both files, or their problem. */
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
    return { of: 'tlsKey', expected: 'must be the private key of the certificate, but belongs to another one' }
  }
  const weakness = rsaProblem(privateKey)
  if (weakness !== undefined) return { of: 'tlsKey', expected: weakness }
  // OpenSSL refuses more, for example a signature by SHA-1.
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
