/** A value that is created at its first use: for libraries for which the start of the server must not wait. */

/** Creates the value at the first call. A call after a failure tries again. */
export function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}
