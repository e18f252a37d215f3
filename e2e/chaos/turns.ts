/** Actions that run together, and others that run alone: those wait for all that are running, and delay the following ones. */
export class Turns {
  readonly #running = new Set<Promise<unknown>>()
  #alone: Promise<void> = Promise.resolve()

  async together<T>(action: () => Promise<T>): Promise<T> {
    for (let seen: Promise<void> | undefined; seen !== this.#alone;) await (seen = this.#alone)
    const running = action()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  async alone<T>(action: () => Promise<T> | T): Promise<T> {
    const before = this.#alone
    const turn = (async () => {
      await before
      await Promise.allSettled(this.#running)
      return await action()
    })()
    this.#alone = turn.then(
      () => undefined,
      () => undefined,
    )
    return await turn
  }
}
