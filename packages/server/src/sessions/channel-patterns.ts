/** The patterns of channels in a token: which channels they allow. Pure. */

/** Whether one of these patterns names the channel: `*` stands for any characters, everything else for itself. */
export function allowsChannel(patterns: readonly string[] | undefined, channel: string): boolean {
  return patterns === undefined || patterns.some((pattern) => matches(pattern.split('*'), channel))
}

/** Without a regular expression: a pattern comes from outside and must not be able to take long. */
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
