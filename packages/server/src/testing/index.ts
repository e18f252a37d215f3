/**
 * `lastcall/testing`: the contract that every journal keeps, as tests for authors of journals. The suite needs nothing
 * but the four functions of a test framework:
 *
 * ```ts
 * import { afterEach, beforeEach, describe, it } from 'node:test'
 * import { describeJournal } from 'lastcall/testing'
 *
 * describeJournal({ describe, it, beforeEach, afterEach }, {
 *   name: 'mine:',
 *   isShared: false,
 *   makePlace: async () => ({ open: (options) => openMine(options), dispose: async () => {} }),
 *   impossible: { rollOver: 'it has no segments', … },
 * })
 * ```
 *
 * The tests wait for events and have no limit of their own: set the framework's to 30 seconds or more.
 */
export { describeJournal } from './journal-contract.js'
export type { JournalFault, JournalFaults, JournalPlace, JournalSuite, OpenOptions } from './journal-place.js'
export { record, Recorder } from './recorder.js'
export { message, messages, UNLIMITED } from './sample-entries.js'
export type { TestFramework } from './test-framework.js'
