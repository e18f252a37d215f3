/** Values of unknown origin: parsed JSON, and messages of other processes. */

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
