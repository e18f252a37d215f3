/**
 * The header fields that protect a person who opens an answer in a browser. Every answer of every status has them.
 */

export type HeaderFields = Readonly<Record<string, string>>

/** The policy of answers that are not pages: they load nothing, send nothing, and no frame can contain them. */
const POLICY_OF_DATA = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]

/** One year, for this host alone: the server does not know whether its subdomains serve TLS (RFC 6797). */
const HSTS = 'max-age=31536000'

/** @param isTls Whether this server serves TLS. Over plain HTTP, HSTS has no effect (RFC 6797 section 7.2). */
export const securityHeaders = (isTls: boolean): HeaderFields => ({
  'content-security-policy': POLICY_OF_DATA.join('; '),
  'x-content-type-options': 'nosniff',
  // An address may contain a token.
  'referrer-policy': 'no-referrer',
  ...(isTls && { 'strict-transport-security': HSTS }),
})
