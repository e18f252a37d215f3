/** Decides which channels the patterns in a token allow. Pure. */

/**
 * Whether one of the patterns matches the channel: `*` matches any characters, and every other character matches
 * itself.
 */
export function allowsChannel(patterns: readonly string[] | undefined, channel: string): boolean {
  return patterns === undefined || patterns.some((pattern) => matches(pattern.split('*'), channel))
}

/**
 * Matches without a regular expression. A pattern comes from a token, and a crafted one could make a regular expression
 * run for minutes.
 */
function matches(literals: readonly string[], text: string): boolean {
  const first = literals[0] as string
  if (literals.length === 1) return text === first
  const last = literals[literals.length - 1] as string
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
  let position = first.length
  for (const literal of literals.slice(1, -1)) {
    const found = text.indexOf(literal, position)
    if (found < 0) return false
    position = found + literal.length
  }
  return position <= text.length - last.length
}
