/**
 * The page at `/` in a real browser, against the real command.
 */
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { violationsOf } from '../support/accessibility.js'
import { lacksChromium, launchChromium } from '../support/browser.js'
import { Command } from '../support/command.js'
import { Guest } from './guest.js'

const PHONE = {
  viewport: { width: 390, height: 844 },
  colorScheme: 'dark',
  locale: 'uk-UA',
} satisfies BrowserContextOptions
const DESK = {
  viewport: { width: 1280, height: 800 },
  colorScheme: 'light',
  locale: 'en-GB',
} satisfies BrowserContextOptions

const LONG = `https://example.com/${'x'.repeat(200)}`

describe.skipIf(lacksChromium())('the page', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())

  const start = (variables: Record<string, string> = {}): Promise<Command> =>
    Command.start({ BROADCAST_INTERVAL: '0', MAX_MESSAGES_PER_MINUTE: '0', PRESENCE_INTERVAL: '20', ...variables })

  /** Anna uses a phone in Ukrainian, Bob a desktop browser in English. */
  async function annaAndBob({ pageUrl }: Command): Promise<[Guest, Guest]> {
    return Promise.all([Guest.at(browser, pageUrl, 'anna', PHONE), Guest.at(browser, pageUrl, 'bob', DESK)])
  }

  test.each([
    ['a phone in the dark', PHONE],
    ['a desk', DESK],
  ])(
    'violates no rule of accessibility: in the form, in a conversation, during a shutdown (%s)',
    async (_, options) => {
      const command = await start({ SHUTDOWN_TIMEOUT: '60' })
      const guest = await Guest.at(browser, command.pageUrl, undefined, options)
      expect(await violationsOf(guest.page)).toEqual([])
      await guest.knock('anna')
      await guest.isIn('online')
      const bob = await Guest.at(browser, command.pageUrl, 'bob', DESK)
      await bob.say('Привіт!')
      await guest.hears('Привіт!')
      await guest.say(LONG)
      expect(await violationsOf(guest.page)).toEqual([])
      command.signal('SIGTERM')
      await guest.note('shutdown')
      expect(await violationsOf(guest.page)).toEqual([])
    },
  )

  test('two clients of the page receive each other’s presence, messages and direct messages', async () => {
    const { pageUrl } = await start({ BROADCAST_INTERVAL: '0.2' })
    const anna = await Guest.at(browser, pageUrl, 'anna', PHONE)
    const bob = await Guest.at(browser, pageUrl, 'bob', DESK)
    expect(await anna.note('joined')).toContain('bob')
    await anna.see('#people [data-person=bob]').waitFor()
    await anna.see('#active-count', '2').waitFor()
    await anna.note('periodic')

    const markup = '<img src="/nothing" onerror="alert(1)">'
    await anna.say('Привіт!')
    await bob.hears('Привіт!')
    await bob.say(markup)
    await anna.hears(markup)
    await anna.say(LONG)
    await bob.hears(LONG)
    for (const guest of [anna, bob]) {
      expect(await guest.conversation()).toEqual(['Привіт!', markup, LONG])
      await guest.fitsItsWidth()
    }

    await bob.see('#people [data-person=anna]').click()
    await bob.say('for you alone')
    await anna.see('.line[data-kind=direct]', 'for you alone').waitFor()

    await bob.see('#leave').click()
    await bob.see('#name').waitFor()
    expect(await anna.note('left')).toContain('bob')
    await anna.see('#people [data-person=bob]').waitFor({ state: 'detached' })
    await anna.see('#active-count', '1').waitFor()
    for (const guest of [anna, bob]) guest.hasNothingToComplainOf()
  })

  test('the page and the server use English for a browser with other languages', async () => {
    const { pageUrl } = await start()
    const guest = await Guest.at(browser, pageUrl, 'jan', { ...DESK, locale: 'nl-NL' })
    expect(await guest.note('welcome')).toBe('Welcome, jan!')
    expect(await guest.page.evaluate('document.documentElement.lang')).toBe('en')
  })

  test('the page uses the language of the browser, and switches it on a click', async () => {
    const { pageUrl } = await start()
    const anna = await Guest.at(browser, pageUrl, undefined, PHONE)
    await anna.see('h1', 'Заходьте').waitFor()
    await anna.fitsItsWidth()
    await anna.knock('Ганна')
    expect(await anna.note('welcome')).toBe('Вітаємо, Hanna!')
    await anna.say('Привіт!')
    const status = anna.see('.line[data-kind=own] .status')
    expect(await status.innerText()).toContain('у журналі')

    await anna.see('#language').click()
    expect(await anna.note('welcome')).toBe('Welcome, Hanna!')
    expect(await status.innerText()).toContain('in the journal')
    expect(await anna.conversation()).toEqual(['Привіт!'])
    expect(await anna.page.locator('html').getAttribute('lang')).toBe('en')

    const bob = await Guest.at(browser, pageUrl, undefined, DESK)
    await bob.see('h1', 'Come in').waitFor()
    for (const guest of [anna, bob]) guest.hasNothingToComplainOf()
  })

  test('a client whose name is in use returns to the form, and a reloaded page does not', async () => {
    const { pageUrl } = await start()
    const [anna, other] = await Promise.all([
      Guest.at(browser, pageUrl, 'anna', PHONE),
      Guest.at(browser, pageUrl, undefined, DESK),
    ])
    await other.knock('anna')
    await other.see('#door-notice', 'taken').waitFor()
    await other.knock('another')
    await other.isIn('online')

    await anna.page.reload()
    await anna.isIn('online')
    await anna.say('still me')
    await other.see('.line[data-kind=message][data-from=anna]', 'still me').waitFor()
    for (const guest of [anna, other]) guest.hasNothingToComplainOf()
  })

  test('after a kill and a restart both clients resume and show every message once', async () => {
    const server = await start()
    const [anna, bob] = await annaAndBob(server)
    await anna.say('before')
    await bob.hears('before')

    await server.stop('SIGKILL')
    await Promise.all([anna.isIn('waiting'), bob.isIn('waiting')])
    await bob.say('in between', 'queued')
    await server.startAgain()
    await Promise.all([anna.hears('in between'), bob.isIn('online')])
    await anna.say('afterwards')
    await bob.hears('afterwards')

    for (const guest of [anna, bob]) {
      expect(await guest.conversation()).toEqual(['before', 'in between', 'afterwards'])
      expect(await guest.see('.line[data-kind=recovered]').count()).toBe(1)
      expect(await guest.see('#notice').count()).toBe(0)
      guest.hasNothingToComplainOf()
    }
    expect(await bob.see('.line[data-kind=own][data-status=journaled]').count()).toBe(1)
  })

  test('the page shows a countdown during a shutdown, reports its end, and reconnects to the next server', async () => {
    const server = await start({ SHUTDOWN_TIMEOUT: '90' })
    const [anna, bob] = await annaAndBob(server)
    await anna.say('line\n'.repeat(50))
    // Chromium sometimes scrolls like this when the countdown takes its space: not quite to the end.
    await anna.page.evaluate(`void new MutationObserver(() => {
      log.scrollTop = log.scrollHeight - log.clientHeight - 100
    }).observe(shutdown, { attributeFilter: ['hidden'] })`)

    const exit = server.stop('SIGTERM')
    for (const guest of [anna, bob]) {
      await guest.see('#shutdown[data-phase=warning]').waitFor()
      expect(await guest.see('#countdown').innerText()).toMatch(/^1:[0-3]\d$/)
      await guest.fitsItsWidth()
    }
    // The page keeps the end of the conversation visible.
    expect(await anna.note('shutdown')).toContain('Останнє замовлення')
    await expect
      .poll(() => anna.page.evaluate('log.scrollHeight - log.scrollTop - log.clientHeight'), { timeout: 60_000 })
      .toBeLessThan(1)
    expect(await anna.see('#jump').count()).toBe(0)

    await bob.say('one for the road')
    await anna.hears('one for the road')
    const [toAnna, toBob] = [await anna.watchFor(1001), await bob.watchFor(1001)]
    // A second signal ends the waiting.
    await server.stop('SIGTERM')
    expect(await exit).toBe(0)
    expect(await toAnna()).toContain('Сервер зачинився або перезапускається.')
    expect(await toBob()).toContain('The server has closed or is restarting.')

    await server.startAgain()
    for (const guest of [anna, bob]) {
      await guest.note('recovered')
      expect(await guest.see('#shutdown, #notice').count()).toBe(0)
      guest.hasNothingToComplainOf()
    }
  })

  test('both clients migrate to the next generation, and the page adds one line and no notice', async () => {
    const server = await start({ WORKERS: '1', SHUTDOWN_SPREAD: '1' })
    const [anna, bob] = await annaAndBob(server)
    await anna.say('before')
    await bob.hears('before')
    for (const { page } of [anna, bob]) {
      await page.evaluate(`globalThis.states = []
        new MutationObserver(() => states.push(state.dataset.state)).observe(state, { attributes: true })`)
    }

    server.signal('SIGHUP')
    expect(await anna.note('moved')).toContain('Нічого не пропущено')
    expect(await bob.note('moved')).toContain('Nothing was missed')
    await anna.say('after')
    await bob.hears('after')
    for (const guest of [anna, bob]) {
      expect(await guest.conversation()).toEqual(['before', 'after'])
      expect(await guest.see('.line[data-kind=moved]').count()).toBe(1)
      expect(await guest.see('#shutdown, #notice, .line[data-kind=recovered]').count()).toBe(0)
      expect(await guest.page.evaluate('states')).toEqual([])
      guest.hasNothingToComplainOf()
    }
  }, 120_000)

  test('a client that another connection took over from resumes on a click and publishes the messages written meanwhile', async () => {
    const { pageUrl, webSocketUrl } = await start()
    const anna = await Guest.at(browser, pageUrl, 'anna', DESK)
    await anna.say('here')
    const saved: unknown = await anna.page.evaluate(`JSON.parse(sessionStorage.getItem('lastcall.client')).session`)
    const elsewhere = new WebSocket(`${webSocketUrl}/anna?session=${String(saved)}`)
    onTestFinished(() => elsewhere.close())
    await anna.see('#notice[data-kind=ended][data-code="4001"]').waitFor()
    await anna.say('meanwhile', 'queued')

    await anna.see('#notice-action', 'Go on here').click()
    await anna.isIn('online')
    await anna.see('.line[data-kind=own][data-status=journaled]', 'meanwhile').waitFor()
    expect(await anna.note('recovered')).toContain('Nothing was missed')
    expect(await anna.conversation()).toEqual(['here', 'meanwhile'])
    anna.hasNothingToComplainOf()
  }, 120_000)

  test('a duplicated tab does not take over from the first tab', async () => {
    const { pageUrl } = await start()
    const anna = await Guest.at(browser, pageUrl, 'anna', DESK)
    const opened = anna.page.waitForEvent('popup')
    // The browser copies sessionStorage into the opened page, as it does for a duplicated tab.
    await anna.page.evaluate(`void open(location.href)`)
    const copy = await opened
    // The conversation shows the notice while the client tries again, and the form shows it afterwards.
    await copy.locator('#notice, #door-notice').filter({ visible: true, hasText: 'taken' }).first().waitFor()
    await anna.say('still here')
    expect(await anna.see('#notice').count()).toBe(0)
  }, 120_000)

  test('messages beyond the rate limit of the server wait and arrive in order', async () => {
    const { pageUrl } = await start({ MAX_MESSAGES_PER_MINUTE: '60' })
    const anna = await Guest.at(browser, pageUrl, 'anna', DESK)
    const journaled = anna.page.locator('.line[data-kind=own][data-status=journaled]')
    const say = (from: number, to: number): Promise<unknown> =>
      anna.page.evaluate(`for (let number = ${from}; number < ${to}; number++) {
        message.value = 'number ' + number
        composer.requestSubmit()
      }`)
    await anna.page.evaluate(`globalThis.shown = new Set()
      new MutationObserver(() => {
        for (const line of document.querySelectorAll('.line[data-kind=own]')) shown.add(line.dataset.status)
        if (!notice.hidden) shown.add(document.getElementById('notice-text').textContent)
      }).observe(document.body, { subtree: true, childList: true, attributes: true })`)
    await say(0, 40)
    await expect.poll(() => journaled.count()).toBe(40)
    await say(40, 63)
    await expect.poll(() => journaled.count()).toBe(63)
    const shown = await anna.page.evaluate<string[]>('[...shown]')
    expect(shown).toEqual(expect.arrayContaining(['delayed', 'Too many messages in a minute.']))
    const offsets = await anna.page.evaluate<number[]>(
      `Array.from(document.querySelectorAll('.line[data-kind=own]'), (line) => Number(line.dataset.offset))`,
    )
    expect(offsets).toEqual(offsets.toSorted((one, other) => one - other))
    anna.hasNothingToComplainOf()
  }, 120_000)
})
