/**
 * The page of five lines, opened from the file system.
 */
import { pathToFileURL } from 'node:url'
import { resolve } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lacksChromium, launchChromium, openPage } from '../support/browser.js'
import { Command } from '../support/command.js'

const FILE = pathToFileURL(resolve(import.meta.dirname, '../../examples/plain-page/index.html'))

describe.skipIf(lacksChromium())('the page of five lines', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())

  test('shows each message with its publisher, and the end of the connection', async () => {
    const server = await Command.start({ BROADCAST_INTERVAL: '0' })
    const open = (clientId: string, locale: string) =>
      openPage(browser, `${FILE.href}?server=${server.webSocketUrl}/${clientId}`, { locale })
    const [anna, bob] = [await open('anna', 'uk'), await open('bob', 'en')]
    const lines = ({ page }: typeof anna, hasText: string) => page.locator('#log li').filter({ hasText })
    await lines(anna, 'Вітаємо, anna!').waitFor()
    await lines(bob, 'Welcome, bob!').waitFor()

    const input = anna.page.locator('#input')
    await input.fill('<b>Привіт</b>')
    await input.press('Enter')
    await lines(bob, 'anna: <b>Привіт</b>').waitFor()
    await lines(anna, 'You: <b>Привіт</b>').waitFor()
    expect(await input.inputValue()).toBe('')

    const exit = server.stop('SIGTERM')
    await lines(anna, 'Сервер завершує роботу').waitFor()
    await lines(bob, 'The server is shutting down').first().waitFor()
    await server.stop('SIGTERM')
    expect(await exit).toBe(0)
    for (const each of [anna, bob]) {
      await lines(each, 'Closed with 1001').waitFor()
      expect(each.complaints).toEqual([])
    }
    expect(await anna.page.locator('#log').innerText()).not.toMatch(/undefined|null|\[object/)
  })
})
