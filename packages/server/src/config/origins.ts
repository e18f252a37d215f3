/**
 * Origins (RFC 6454): how they are written in the configuration, and which of them a browser's `Origin` field is. Pure.
 */

/** What a browser sends from a file, a sandboxed frame, or a redirect. */
const OPAQUE = 'null'

const WILDCARD = /^([a-z][a-z0-9+.-]*:\/\/)\*\.(.+)$/i
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s*@\\]+$/i

/** Whether a text names origins: one of them, all subdomains of a host (`https://*.example.com`), or `null`. */
export function isOriginPattern(text: string): boolean {
  if (text === OPAQUE) return true
  const [, scheme, domain] = WILDCARD.exec(text) ?? []
  return normalOrigin(scheme === undefined ? text : `${scheme}${domain ?? ''}`) !== undefined
}

/**
 * The form in which origins can be compared: lower case, an internationalised host name in its ASCII form, and no port
 * that its scheme implies. `undefined`: the text is no origin.
 */
export function normalOrigin(text: string): string | undefined {
  if (!ORIGIN.test(text) || !URL.canParse(text)) return undefined
  const { origin } = new URL(text)
  // Only for the schemes of the web are there names and ports to normalise: an extension's is opaque to URL.
  return origin === OPAQUE ? text.toLowerCase() : origin
}

/** Whether the value of an `Origin` field is one of those that the patterns name. */
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
    // Something must stand before the dot: the host itself is no subdomain of its own.
    const isSubdomain = suffixes.some(
      ({ scheme, behind }) =>
        origin.startsWith(scheme) && origin.endsWith(behind) && origin.length > scheme.length + behind.length,
    )
    return isSubdomain || exact.has(origin)
  }
}
