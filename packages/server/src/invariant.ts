/**
 * Conditions that hold unless the server has a defect. The check is cheap enough for production.
 */

/** @throws {Error} with the message, when the condition does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`defect: ${message}`)
}
