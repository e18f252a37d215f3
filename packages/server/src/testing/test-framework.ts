/**
 * The four functions of a test framework that the contract suite needs. Those of vitest, node:test, jest and mocha fit.
 */

type Step = () => Promise<void>

export interface TestFramework {
  readonly describe: (name: string, define: () => void) => unknown
  readonly it: (name: string, test: Step) => unknown
  readonly beforeEach: (step: Step) => unknown
  readonly afterEach: (step: Step) => unknown
}
