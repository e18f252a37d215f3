/**
 * Which public keys the server can use. It checks them at its start: with a key that cannot verify a token, it would reject
 * every client later.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'

/** RFC 7518 sections 3.3 and 3.5. Browsers refuse certificates with fewer bits, too. */
const MIN_RSA_BITS = 2048

/** The curves that have an algorithm of JWT (RFC 7518 section 3.4). */
const CURVES: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1']

/** The problem of an RSA key, to follow its name; `undefined`: none, or the key is of another kind. */
export function rsaProblem({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  const bits = asymmetricKeyDetails?.modulusLength
  if (asymmetricKeyType !== 'rsa' && asymmetricKeyType !== 'rsa-pss') return undefined
  if (bits === undefined || bits >= MIN_RSA_BITS) return undefined
  return `is an RSA key of ${String(bits)} bits, and must have at least ${String(MIN_RSA_BITS)}`
}

/** The problem of a key in PEM that is to verify tokens; `undefined`: none. */
export function tokenKeyProblem(pem: string): string | undefined {
  const notAKey = 'must be a public key or a certificate in PEM (-----BEGIN PUBLIC KEY-----)'
  if (!/-----BEGIN (PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE)-----/.test(pem)) return notAKey
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    return notAKey
  }
  switch (key.asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      return rsaProblem(key)
    case 'ec': {
      const curve = key.asymmetricKeyDetails?.namedCurve
      if (curve !== undefined && CURVES.includes(curve)) return undefined
      return `is a key on the curve ${curve ?? '(unknown)'}, and must be on P-256, P-384 or P-521`
    }
    case 'ed25519':
      return undefined
    default:
      return `is a key of type ${key.asymmetricKeyType ?? '(unknown)'}, and must be RSA, EC or Ed25519`
  }
}
