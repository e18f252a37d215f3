/**
 * Origins (RFC 6454): how the configuration writes them, and how a browser's `Origin` field is matched. Pure.
 */

/** The origin that a browser sends for a file, a sandboxed frame, or a redirect. */
const OPAQUE = 'null'

const WILDCARD = /^([a-z][a-z0-9+.-]*:\/\/)\*\.(.+)$/i
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s*@\\]+$/i

/** Whether a text names origins: one origin, all subdomains of a host (`https://*.example.com`), or `null`. */
export function isOriginPattern(text: string): boolean {
  if (text === OPAQUE) return true
  const [, scheme, domain] = WILDCARD.exec(text) ?? []
  return normalOrigin(scheme === undefined ? text : `${scheme}${domain ?? ''}`) !== undefined
}

/**
 * The normal form of an origin, for comparison: lower case, an internationalised host name in its ASCII form, and no port that
 * its scheme implies. `undefined`: the text is no origin.
 */
export function normalOrigin(text: string): string | undefined {
  if (!ORIGIN.test(text) || !URL.canParse(text)) return undefined
  const { origin } = new URL(text)
  // URL normalises names and ports only for the schemes of the web; it treats the origin of an extension as opaque.
  return origin === OPAQUE ? text.toLowerCase() : origin
}

/** Whether the patterns name the value of an `Origin` field. */
export function originMatcher(patterns: readonly string[]): (origin: string) => boolean {
  const exact = new Set<string>()
  const suffixes: { readonly scheme: string; readonly behind: string }[] = []
  for (const pattern of patterns) {
    const [, scheme, domain] = WILDCARD.exec(pattern) ?? []
    if (scheme === undefined || domain === undefined) {
      exact.add(pattern === OPAQUE ? OPAQUE : (normalOrigin(pattern) ?? pattern))
      continue
    }
    const normal = normalOrigin(`${scheme}${domain}`)
    if (normal !== undefined) {
      suffixes.push({ scheme: scheme.toLowerCase(), behind: `.${normal.slice(scheme.length)}` })
    }
  }
  return (given) => {
    if (exact.has(given)) return true
    const origin = normalOrigin(given)
    if (origin === undefined) return false
    // The part before the dot must not be empty: the host itself is not a subdomain of itself.
    const isSubdomain = suffixes.some(
      ({ scheme, behind }) =>
        origin.startsWith(scheme) && origin.endsWith(behind) && origin.length > scheme.length + behind.length,
    )
    return isSubdomain || exact.has(origin)
  }
}
