/**
 * How many entries of every kind are kept for so many messages: presence, announcements and placeholders lie between them.
 */
export const entryLimit = (maxMessages: number): number => 2 * maxMessages + 10_000
