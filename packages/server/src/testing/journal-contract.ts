/** The promises of every journal (journal/journal.ts) as tests: one suite for all engines. */
import { equal } from 'node:assert/strict'
import { describeAppending, describeClosing } from './append-contract.js'
import { describeFaults } from './fault-contract.js'
import type { JournalSuite } from './journal-place.js'
import { makeContext } from './suite-context.js'
import { describeRetention, describeSharing, describeTails } from './tail-contract.js'
import type { TestFramework } from './test-framework.js'

/** Registers the suite with the test framework. Call it once per engine, at the top of a test file. */
export function describeJournal(framework: TestFramework, suite: JournalSuite): void {
  framework.describe(suite.name, () => {
    const context = makeContext(framework, suite)

    framework.it('the journal states whether other instances may read it, too', async () => {
      equal((await context.open()).isShared, suite.isShared)
    })

    describeAppending(context)
    describeTails(context)
    describeRetention(context)
    describeClosing(context)
    if (suite.isShared) describeSharing(context)
    describeFaults(context)
  })
}
