/**
 * What the parts of the contract suite share: the place of the running test, and the journals that the test has opened.
 */
import { deepEqual, rejects } from 'node:assert/strict'
import { systemClock, type Clock } from '../clock.js'
import { LastcallError, type LastcallErrorCode } from '../errors.js'
import type { Journal, NewEntry, Retention } from '../journal/journal.js'
import type { JournalFaults, JournalPlace, JournalSuite } from './journal-place.js'
import { originOf, type Recorder } from './recorder.js'
import { UNLIMITED } from './sample-entries.js'
import type { TestFramework } from './test-framework.js'

export interface SuiteContext {
  readonly framework: TestFramework
  readonly suite: JournalSuite
  /** Opens the journal of the running test's place. What `retention` does not limit is unlimited. */
  readonly open: (retention?: Partial<Retention>) => Promise<Journal>
  /** Advances the retention's clock and the monotonic clock. */
  readonly advance: (ms: number) => void
  /** Milliseconds since 1970 by the retention's clock. */
  readonly now: () => number
  /** The running test's control over these faults. */
  readonly faults: <Fault extends keyof JournalFaults>(...names: readonly Fault[]) => Pick<JournalFaults, Fault>
}

/** Registers the hooks that create and remove the place of each test. */
export function makeContext(framework: TestFramework, suite: JournalSuite): SuiteContext {
  let place: JournalPlace | undefined
  let opened: Journal[] = []
  let now = 0
  let advancedMs = 0
  const clock: Clock = {
    ...systemClock,
    now: () => now,
    monotonic: () => systemClock.monotonic() + advancedMs,
  }

  framework.beforeEach(async () => {
    now = systemClock.now()
    opened = []
    place = await suite.makePlace()
  })

  framework.afterEach(async () => {
    await Promise.all(opened.map((journal) => journal.close()))
    await place?.dispose()
    place = undefined
  })

  return {
    framework,
    suite,
    async open(retention = {}) {
      if (!place) throw new Error('a journal can be opened inside a test only')
      const journal = await place.open({ retention: { ...UNLIMITED, ...retention }, clock })
      opened.push(journal)
      return journal
    },
    advance(ms) {
      now += ms
      advancedMs += ms
    },
    now: () => now,
    faults(...names) {
      const given = place?.faults
      if (hasAll(given, names)) return given
      const missing = names.filter((name) => given?.[name] === undefined)
      throw new Error(
        `the place lacks ${missing.join(', ')} in \`faults\`; name a fault that cannot happen in \`impossible\``,
      )
    },
  }
}

const hasAll = <Fault extends keyof JournalFaults>(
  given: Partial<JournalFaults> | undefined,
  names: readonly Fault[],
): given is Partial<JournalFaults> & Pick<JournalFaults, Fault> =>
  given !== undefined && names.every((name) => given[name] !== undefined)

export const originsOf = (entries: readonly Pick<NewEntry, 'node' | 'sequence'>[]): string[] => entries.map(originOf)

/** Expects that all readers have received the same entries at the same offsets since the last epoch began. */
export function expectAgreement(recorders: readonly Recorder[]): void {
  const placesOf = ({ current, epochs }: Recorder): string[] =>
    current.map((entry) => `${epochs.at(-1)?.epoch}:${entry.offset} ${originOf(entry)}`)
  const shortest = Math.min(...recorders.map(({ current }) => current.length))
  // Readers that began at different offsets have the newest entries in common.
  const [first, ...rest] = recorders.map((recorder) => placesOf(recorder).slice(-shortest))
  for (const places of rest) deepEqual(places, first)
}

/** Expects a rejection with a `LastcallError` of this code. */
export async function expectRefusal(
  promise: Promise<unknown>,
  code: LastcallErrorCode,
  temporary: boolean,
): Promise<void> {
  await rejects(promise, (error: unknown) => {
    if (!(error instanceof LastcallError)) throw error
    deepEqual({ code: error.code, temporary: error.temporary }, { code, temporary })
    return true
  })
}
