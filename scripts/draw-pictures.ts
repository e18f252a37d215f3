/**
 * Draws the pictures of README.md and README.uk.md from real runs: the chat page in Chromium, and a chart of a deploy.
 *
 *   npm run pictures -- [page] [drain]
 *
 * Without an argument it draws both. It ends with 1, and writes no chart, when a client lost its connection or
 * a message, or received one twice.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawChart } from './pictures/chart.js'
import { runDrain } from './pictures/drain.js'
import { photographPage } from './pictures/page.js'
import { ROOT } from './repository.js'

const FOLDER = join(ROOT, 'docs/pictures')

/** What each argument draws. */
const PICTURES = {
  async page() {
    for (const [locale, name] of [
      ['en-GB', 'page.jpg'],
      ['uk-UA', 'page.uk.jpg'],
    ] as const) {
      writeFileSync(join(FOLDER, name), await photographPage(locale))
    }
  },
  async drain() {
    const run = await runDrain()
    const { clients, moved, delivered, lost, repeated, reconnects, seconds } = run
    const summary =
      `${clients} clients, ${moved} migrated in ${seconds.toFixed(1)} s; ${delivered} messages delivered, ` +
      `${lost} lost, ${repeated} delivered twice; ${reconnects} connections lost`
    if (moved !== clients || lost + repeated + reconnects > 0) throw new Error(`the deploy was noticed: ${summary}`)
    for (const [language, name] of [
      ['en', 'drain.svg'],
      ['uk', 'drain.uk.svg'],
    ] as const) {
      writeFileSync(join(FOLDER, name), drawChart(run, language))
    }
    console.log(summary)
  },
}

const wanted = process.argv.slice(2)
mkdirSync(FOLDER, { recursive: true })
for (const [name, draw] of Object.entries(PICTURES)) if (wanted.length === 0 || wanted.includes(name)) await draw()
