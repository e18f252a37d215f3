/**
 * Hides the secrets of a URL for the log. The URL may be malformed and still contain a password.
 */

/** The URL without user and password, and without the values of parameters whose names suggest a secret. */
export const withoutCredentials = (url: string): string =>
  url
    .replace(/^(?!file:)([a-z][a-z0-9+.-]*:\/+)?.*@/is, '$1(hidden)@')
    .replace(/([?&][^=&]*(?:pass|secret|token|auth)[^=&]*=)[^&]*/gi, '$1(hidden)')
