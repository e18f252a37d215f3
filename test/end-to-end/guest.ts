/**
 * A user of the server's page in a real browser: it fills the form, publishes, and reads the visible page.
 */
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import { openPage, type WatchedPage } from '../support/browser.js'

export class Guest {
  readonly page: Page
  readonly #complaints: readonly string[]

  private constructor({ page, complaints }: WatchedPage) {
    this.page = page
    this.#complaints = complaints
  }

  /** Opens the page, and connects if a name is given. */
  static async at(browser: Browser, url: string, name?: string, options?: BrowserContextOptions): Promise<Guest> {
    const guest = new Guest(await openPage(browser, url, options))
    if (name !== undefined) {
      await guest.knock(name)
      await guest.isIn('online')
    }
    return guest
  }

  /** Fills the form with this name and presses the button. */
  async knock(name: string): Promise<void> {
    await this.see('#name').fill(name)
    await this.see('#connect').click()
  }

  async isIn(state: string): Promise<void> {
    await this.see(`#state[data-state=${state}]`).waitFor()
  }

  /** Publishes the text and waits until its line has this status. */
  async say(text: string, status = 'journaled'): Promise<void> {
    await this.see('#message').fill(text)
    await this.see('#send').click()
    await this.see(`.line[data-kind=own][data-status=${status}]`, text).waitFor()
  }

  /** Waits until the page shows this text as a message of another client. */
  async hears(text: string): Promise<void> {
    await this.see('.line[data-kind=message]', text).waitFor()
  }

  /** Waits for a line of this kind and returns its text. */
  async note(kind: string, text?: string): Promise<string> {
    return this.see(`.line[data-kind=${kind}]`, text).last().innerText()
  }

  /** The texts of all messages on the page, from top to bottom. */
  async conversation(): Promise<string[]> {
    return this.see('.line.speech .text').allInnerTexts()
  }

  /**
   * Records the notice that the page shows for a close with this code, because the notice of the next attempt may replace it
   * soon. The returned function waits for it.
   */
  async watchFor(code: number): Promise<() => Promise<string>> {
    await this.page.evaluate(`void (globalThis.told = new Promise((resolve) => {
      const look = () => notice.dataset.code === '${code}' && resolve(notice.innerText)
      new MutationObserver(look).observe(notice, { attributes: true })
    }))`)
    return () => this.page.evaluate<string>('told')
  }

  /** The visible elements of the selector that contain the text, if one is given. */
  see(selector: string, text?: string): Locator {
    return this.page.locator(selector).filter({ visible: true, ...(text === undefined ? {} : { hasText: text }) })
  }

  async fitsItsWidth(): Promise<void> {
    expect(await this.page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
  }

  hasNothingToComplainOf(): void {
    expect(this.#complaints).toEqual([])
  }
}
