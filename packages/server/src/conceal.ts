/**
 * A URL in the form in which it may be shown. It may be wrong in any way, and hold a password all the same.
 */

/** Without user and password, and without the values of parameters that sound like a secret. */
export const withoutCredentials = (url: string): string =>
  url
    .replace(/^(?!file:)([a-z][a-z0-9+.-]*:\/+)?.*@/is, '$1(hidden)@')
    .replace(/([?&][^=&]*(?:pass|secret|token|auth)[^=&]*=)[^&]*/gi, '$1(hidden)')
