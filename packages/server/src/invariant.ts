/**
 * What must hold unless the server itself has a defect. Cheap enough to stay on in production.
 */

/** @throws {Error} with the message, when the condition does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`defect: ${message}`)
}
