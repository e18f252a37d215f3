/**
 * Chromium from Debian, and the errors and warnings of a page in it. Without Chromium the tests that need it are skipped, or
 * fail with REQUIRE_ALL=1.
 */
import { existsSync } from 'node:fs'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const CHROMIUM = PLACES.find(existsSync)

/** Flags with which Chromium also runs as root and requests no updates. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
]

/** For `describe.skipIf`. */
export function lacksChromium(): boolean {
  if (CHROMIUM !== undefined) return false
  const reason = `there is no Chromium (${PLACES.join(', ')})`
  if (process.env['REQUIRE_ALL'] === '1') throw new Error(reason)
  console.warn(`skipped: ${reason}`)
  return true
}

export const launchChromium = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM ?? '', args: FLAGS })

export interface WatchedPage {
  readonly page: Page
  /** Errors and warnings in the console, exceptions, violations of the page's policy. */
  readonly complaints: readonly string[]
}

/** Messages that the browser itself writes to the console while the server is away or rejects clients. */
const IS_EXPECTED = /^WebSocket connection to '[^']+' failed/

/** A page with cookies and storage of its own. The end of the test closes it. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  // Without animations a click does not wait.
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options })
  onTestFinished(() => context.close())
  await context.addInitScript(`
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error('against the policy:', violatedDirective, blockedURI))
    // A small fixed value in place of the random part shortens the client's waits.
    Math.random = () => 0.1`)
  // Less than the time of a test, so that a failure names what was missing.
  context.setDefaultTimeout(90_000)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type()) || IS_EXPECTED.test(message.text())) return
    complaints.push(message.text())
  })
  await page.goto(url)
  return { page, complaints }
}
