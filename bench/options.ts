/** The options of a benchmark's command line whose values are numbers. */

/** @throws {Error} The value is not a positive whole number. The message names the option. */
export function positiveInteger(option: string, value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${option} must be a positive whole number`)
  return number
}
