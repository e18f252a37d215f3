/**
 * Whether the client itself caused a close with 4001. An attempt that the client has abandoned may still reach the server, for
 * example because a proxy delayed its handshake. The server then accepts it, and closes the open connection with 4001. The
 * client reconnects after such a takeover, and stays closed after one by another client.
 */

/** How long the handshake of an abandoned attempt may still reach the server, in milliseconds. */
const LATE_MS = 30_000

export class LateTakeover {
  #untilMs = Infinity

  /** The client abandoned an attempt. */
  expect(nowMs: number): void {
    this.#untilMs = nowMs + LATE_MS
  }

  get isPossible(): boolean {
    return this.#untilMs < Infinity
  }

  /**
   * Whether to ask the server with a `ping`. Any 4001 that the abandoned attempt caused arrives before that ping's pong,
   * however late the client reads both.
   */
  isToBeAsked(nowMs: number): boolean {
    return nowMs >= this.#untilMs
  }

  /** A pong arrived: if the client sent its ping late enough, no takeover can follow. */
  answered(pingedAtMs: number): void {
    if (pingedAtMs >= this.#untilMs) this.settle()
  }

  /** The takeover has happened, or has become impossible. */
  settle(): void {
    this.#untilMs = Infinity
  }
}
