/**
 * A value that is made when it is first needed: for libraries that a start of the server must not wait for.
 */

/** Makes the value with the first call. A call after a failure makes it anew. */
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
