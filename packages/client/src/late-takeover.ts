/**
 * Whether a close code 4001 may be of the client's own making. An attempt that the client has abandoned may still reach
 * the server: a proxy kept its handshake, say. The server then lets it in, and closes the connection that is open with
 * 4001. The client reconnects after such a takeover, and stays closed after one by another client.
 */

/** For so long the handshake of an abandoned attempt may still reach the server. */
const LATE_MS = 30_000

export class LateTakeover {
  #untilMs = Infinity

  /** An attempt was abandoned. */
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

  /** A pong arrived: if its ping was sent late enough, no takeover can follow. */
  answered(pingedAtMs: number): void {
    if (pingedAtMs >= this.#untilMs) this.settle()
  }

  /** The takeover happened, or cannot happen any more. */
  settle(): void {
    this.#untilMs = Infinity
  }
}
