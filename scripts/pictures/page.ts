/**
 * A screenshot of the chat page while its server drains: a guest who reads, and two others who publish.
 */
import { existsSync } from 'node:fs'
import { connect, type Client } from '@lastcall/client'
import { chromium } from 'playwright-core'
import { WebSocket } from 'ws'
import { startServer } from './server.js'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) =>
  existsSync(file),
)

const LINES = {
  'en-GB': {
    bob: ['Is the new build out?', 'I see the countdown, and messages still arrive.'],
    carla: ['The old server is draining right now.'],
    anna: 'And the ack says that this one is in the journal.',
  },
  'uk-UA': {
    bob: ['Нова збірка вже вийшла?', 'Бачу зворотний відлік, а повідомлення надходять і далі.'],
    carla: ['Старий сервер саме завершує роботу.'],
    anna: 'А підтвердження каже, що це повідомлення вже в журналі.',
  },
} as const

/**
 * @param locale The browser's language.
 * @returns a JPEG
 */
export async function photographPage(locale: keyof typeof LINES): Promise<Buffer> {
  if (CHROMIUM === undefined)
    throw new Error('Chromium is missing: install it, for example with apt-get install chromium')
  const lines = LINES[locale]
  const server = await startServer(() => ({ BROADCAST_INTERVAL: '0', PRESENCE_INTERVAL: '20', LOCALE: 'en' }))
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] })
  const others = new Map<string, Client>()
  try {
    const context = await browser.newContext({
      viewport: { width: 860, height: 640 },
      colorScheme: 'dark',
      reducedMotion: 'reduce',
      locale,
    })
    const page = await context.newPage()
    const seen = (text: string): Promise<void> => page.locator('.line.speech', { hasText: text }).waitFor()
    await page.goto(`http://127.0.0.1:${server.port}/`)
    await page.locator('#name').fill('anna')
    await page.locator('#connect').click()
    await page.locator('#state[data-state=online]').waitFor()
    const publish = async (name: string, text: string): Promise<void> => {
      let other = others.get(name)
      if (!other) {
        other = connect(`ws://127.0.0.1:${server.port}/ws`, { clientId: name, webSocket: WebSocket })
        others.set(name, other)
        await page.locator(`#people [data-person=${name}]`).waitFor()
      }
      await other.publish(text)
      await seen(text)
    }
    await publish('bob', lines.bob[0])
    await publish('carla', lines.carla[0])
    server.child.kill('SIGTERM')
    await page.locator('#shutdown').filter({ visible: true }).waitFor()
    await publish('bob', lines.bob[1])
    await page.locator('#message').fill(lines.anna)
    await page.locator('#send').click()
    await page.locator('.line[data-kind=own][data-status=journaled]').waitFor()
    return await page.screenshot({ type: 'jpeg', quality: 85 })
  } finally {
    for (const client of others.values()) client.close()
    await browser.close()
    await server.stop()
  }
}
