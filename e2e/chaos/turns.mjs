/** Actions that happen together, and others that happen alone: those wait for all that are under way, and hold up the rest. */
export class Turns {
  #running = new Set()
  #alone = Promise.resolve()

  /** @template T @param {() => Promise<T>} action */
  async together(action) {
    for (let seen; seen !== this.#alone;) await (seen = this.#alone)
    const running = action()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  /** @template T @param {() => Promise<T> | T} action */
  async alone(action) {
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
