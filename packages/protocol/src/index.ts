/**
 * The wire protocol of lastcall. See PROTOCOL.md; this package is its only implementation and depends on nothing.
 */
export * from './client-messages.js'
export * from './close-codes.js'
export * from './cursor.js'
export * from './error-codes.js'
export * from './identifiers.js'
export * from './locale.js'
export * from './server-messages.js'
export * from './texts.js'
