/**
 * The header fields that protect whoever reads an answer in a browser. They stand in every answer, of every status.
 */

export type HeaderFields = Readonly<Record<string, string>>

/** An answer that is not a page loads nothing, sends nothing, and stands in no frame. Pages have policies of their own. */
const POLICY_OF_DATA = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]

/** A year, for this host alone: what its subdomains speak is not known here (RFC 6797). */
const HSTS = 'max-age=31536000'

/** @param isTls Whether TLS is served here. In clear text HSTS has no effect (RFC 6797 section 7.2). */
export const securityHeaders = (isTls: boolean): HeaderFields => ({
  'content-security-policy': POLICY_OF_DATA.join('; '),
  'x-content-type-options': 'nosniff',
  // A token may stand in an address.
  'referrer-policy': 'no-referrer',
  ...(isTls && { 'strict-transport-security': HSTS }),
})
