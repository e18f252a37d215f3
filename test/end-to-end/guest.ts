/**
 * Somebody at the server's own page: does what a person would do and sees what a person would see.
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

  /** Opens the page; comes in if there is a name. */
  static async at(browser: Browser, url: string, name?: string, options?: BrowserContextOptions): Promise<Guest> {
    const guest = new Guest(await openPage(browser, url, options))
    if (name !== undefined) {
      await guest.knock(name)
      await guest.isIn('online')
    }
    return guest
  }

  /** Asks to come in under this name. */
  async knock(name: string): Promise<void> {
    await this.see('#name').fill(name)
    await this.see('#connect').click()
  }

  async isIn(state: string): Promise<void> {
    await this.see(`#state[data-state=${state}]`).waitFor()
  }

  /** Says it. `status`: what is waited for to become of it. */
  async say(text: string, status = 'journaled'): Promise<void> {
    await this.see('#message').fill(text)
    await this.see('#send').click()
    await this.see(`.line[data-kind=own][data-status=${status}]`, text).waitFor()
  }

  /** Waits until somebody else has said it. */
  async hears(text: string): Promise<void> {
    await this.see('.line[data-kind=message]', text).waitFor()
  }

  /** A line of what kind, as soon as it is there. */
  async note(kind: string, text?: string): Promise<string> {
    return this.see(`.line[data-kind=${kind}]`, text).last().innerText()
  }

  /** What was said, by whomever, from top to bottom. */
  async conversation(): Promise<string[]> {
    return this.see('.line.speech .text').allInnerTexts()
  }

  /**
   * Watches for what the page says of a close with this code: an attempt to come back may follow soon and say something
   * else. The answer waits for it.
   */
  async watchFor(code: number): Promise<() => Promise<string>> {
    await this.page.evaluate(`void (globalThis.told = new Promise((resolve) => {
      const look = () => notice.dataset.code === '${code}' && resolve(notice.innerText)
      new MutationObserver(look).observe(notice, { attributes: true })
    }))`)
    return () => this.page.evaluate<string>('told')
  }

  /** What is visible there, with this text in it if one is given. */
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
