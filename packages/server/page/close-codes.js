/**
 * Whether the page reconnects after a close code. A copy of the protocol's table, because the page has no build step; a
 * test compares the two.
 */

/** `no`: not. `yes`: with the cursor. `later`: after a longer pause. `new-token`, `no-cursor`: with that changed. */
const COME_BACK = new Map([
  [1000, 'no'],
  [1001, 'yes'],
  [1003, 'no'],
  [1007, 'no'],
  [1008, 'new-token'],
  [1009, 'no'],
  [1011, 'later'],
  [1012, 'later'],
  [1013, 'later'],
  [4001, 'no'],
  [4008, 'no-cursor'],
  [4009, 'no'],
  [4010, 'yes'],
])

/** Codes that are not listed (1006 above all) mean `yes`. */
export const comeBackAfter = (code) => COME_BACK.get(code) ?? 'yes'
