/**
 * Two certificates of 127.0.0.1 that sign themselves, with their keys, for tests alone. Made by
 * `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=first …`
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { ROOT } from '../../../../scripts/repository.js'

export type Certificate = 'first' | 'second'

/** The campaigns run the compiled form of this file, whose folder has no fixtures. */
const file = (name: string): string => join(ROOT, `packages/server/test/fixtures/tls/${name}.pem`)

export const certFile = (of: Certificate): string => file(`${of}.cert`)
export const keyFile = (of: Certificate): string => file(`${of}.key`)

/** The certificate that clients trust. */
export const CA = (['first', 'second'] as const).map((of) => readFileSync(certFile(of)))

/** The common name of the certificate that the server at this port presents. */
export function shownAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: CA }, () => {
      const name = socket.getPeerCertificate().subject.CN
      socket.end()
      resolve(String(name))
    }).on('error', reject)
  })
}
