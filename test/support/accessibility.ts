/**
 * The rules of accessibility that axe finds violated in the present state of a page.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** One line for each violated rule, with the elements that violate it. */
export async function violationsOf(page: Page): Promise<string[]> {
  // The browser evaluates the script like its inspector does, so the content security policy of the page does not apply.
  await page.evaluate(AXE)
  const { violations } = await page.evaluate<AxeResults>("axe.run({ resultTypes: ['violations'] })")
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`)
}
