/**
 * Conditions that hold unless the server has a defect. The check is cheap enough for production.
 */

/** @throws {Error} The condition does not hold. The error has this message. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`defect: ${message}`)
}
