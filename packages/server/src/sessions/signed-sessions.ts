/** Sessions: secrets with which a client proves that it is the client that was connected before. */
import { hash, timingSafeEqual } from 'node:crypto'

/**
 * A session is `ID.MAC`. The id is the id of the client's first connection and stays the same while the client resumes
 * with it. The MAC (HMAC-SHA256 with SESSION_SECRET) binds it to the clientId, so that every instance can check it.
 */
export class Sessions {
  readonly #innerKey: Buffer
  readonly #outerKey: Buffer

  /** @param secret The same on all instances. Where it is random, sessions end with this process. */
  constructor(secret: string | Buffer) {
    const key = Buffer.alloc(HMAC_BLOCK_BYTES)
    hash('sha256', secret, 'buffer').copy(key)
    this.#innerKey = key.map((byte) => byte ^ 0x36) as Buffer
    this.#outerKey = key.map((byte) => byte ^ 0x5c) as Buffer
  }

  /** A new session for this client. `id` is the id of its first connection. */
  issue(clientId: string, id: string): string {
    return `${id}.${this.#mac(clientId, id)}`
  }

  /** Whether a server with this secret issued the session for this client. */
  isValid(session: string, clientId: string): boolean {
    const [id = '', mac = '', ...rest] = session.split('.')
    return rest.length === 0 && equal(mac, this.#mac(clientId, id))
  }

  /**
   * HMAC (RFC 2104) as two one-shot hashes. `createHmac` makes an object with a finalizer, which costs more than the
   * rest of admission (17 µs of a handshake's 180 µs).
   */
  #mac(clientId: string, id: string): string {
    const inner = hash('sha256', Buffer.concat([this.#innerKey, Buffer.from(`${clientId}.${id}`)]), 'buffer')
    return hash('sha256', Buffer.concat([this.#outerKey, inner]), 'base64url').slice(0, MAC_LENGTH)
  }
}

/** The block size of SHA-256 (RFC 2104 section 2). */
const HMAC_BLOCK_BYTES = 64

/** The number of base64url characters: 132 bits. */
const MAC_LENGTH = 22

/** Compares secrets in constant time, so that the duration reveals nothing about them. */
export function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
