/**
 * The bundled client in a real browser, on a page of the server, with the browser's WebSocket. Without a browser these
 * tests are skipped.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium, type Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import type * as Lastcall from '../../src/index.js'
import { Received, opened, startClient, startForwarder, startInstances, startServer } from '../support/real.js'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

/** The globals that the test adds to the page. */
interface PageGlobals {
  lastcall: typeof Lastcall
  client: Lastcall.Client
  received: unknown[]
  states: string[]
}

async function openPage({ httpUrl }: { readonly httpUrl: string }): Promise<Page> {
  const browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ['--no-sandbox'] })
  onTestFinished(() => browser.close())
  const page = await browser.newPage()
  await page.goto(httpUrl)
  return page
}

/** Adds a client to the page. The client saves its state in sessionStorage and records its messages and states. */
async function addClient(page: Page, url: string, options: Lastcall.ClientOptions = {}): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../../src/index.ts', import.meta.url))],
    bundle: true,
    format: 'iife',
    globalName: 'lastcall',
    write: false,
    logLevel: 'silent',
  })
  // The content security policy of the page would block a script element.
  await page.evaluate(`${outputFiles[0]?.text ?? ''}; globalThis.lastcall = lastcall`)
  await page.evaluate(
    ([url, options]) => {
      const globals = globalThis as unknown as PageGlobals
      const store = globals.lastcall.sessionStore('test')
      globals.received = []
      globals.states = []
      globals.client = globals.lastcall.connect(url, { ...options, store })
      globals.client.on('message', ({ data }) => void globals.received.push(data))
      globals.client.on('state', (state) => void globals.states.push(state))
    },
    [url, options] as const,
  )
  await page.waitForFunction(() => (globalThis as unknown as PageGlobals).client.state === 'open')
}

const until = (page: Page, data: unknown) =>
  page.waitForFunction((data) => (globalThis as unknown as PageGlobals).received.includes(data), data)
const receivedOn = (page: Page): Promise<unknown[]> =>
  page.evaluate(() => (globalThis as unknown as PageGlobals).received)

test.skipIf(!CHROMIUM)('a page resumes as the same client after a reload and receives every message', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const anna = startClient(server, { clientId: 'anna' })
  const received = new Received(anna)
  await opened(anna)
  const page = await openPage(server)
  await addClient(page, server.webSocketUrl)

  await page.evaluate(() => (globalThis as unknown as PageGlobals).client.publish('from the page'))
  await received.until('from the page')
  await anna.publish(1)
  await until(page, 1)
  const name = () => page.evaluate(() => (globalThis as unknown as PageGlobals).client.clientId)
  const before = await name()
  await page.reload()
  await anna.publish(2)
  await addClient(page, server.webSocketUrl)
  await anna.publish(3)
  await until(page, 3)
  expect(await receivedOn(page)).toEqual([2, 3])
  expect(await name()).toBe(before)
})

test.skipIf(!CHROMIUM)('a page reconnects at once when its network is available again', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const anna = startClient(server, { clientId: 'anna' })
  await opened(anna)
  const page = await openPage(server)
  // The test would time out if the client waited this long.
  const minDelayMs = 1_000_000_000
  await addClient(page, server.webSocketUrl, { clientId: 'page', minDelayMs, maxDelayMs: minDelayMs })
  await page.context().setOffline(true)
  server.connections.get('page')?.terminate('request')
  await page.waitForFunction(() => (globalThis as unknown as PageGlobals).client.state === 'reconnecting')
  await anna.publish(1)
  await page.context().setOffline(false)
  await until(page, 1)
  expect(await page.evaluate(() => (globalThis as unknown as PageGlobals).states)).toEqual([
    'open',
    'reconnecting',
    'open',
  ])
})

test.skipIf(!CHROMIUM)(
  'a page migrates to another instance while it publishes and receives, and its state stays open',
  async () => {
    const [old, fresh] = await startInstances()
    const ports = [old.port]
    const forwarder = await startForwarder(ports)
    const anna = startClient(fresh, { clientId: 'anna' })
    const received = new Received(anna)
    await opened(anna)
    const page = await openPage(forwarder)
    await addClient(page, forwarder.webSocketUrl, { clientId: 'page' })
    ports.push(fresh.port)
    const hasMoved = new AbortController()
    const moved = page
      .evaluate(() => {
        const { client } = globalThis as unknown as PageGlobals
        let count = 0
        const publishing = setInterval(() => void client.publish(count++), 5)
        return new Promise((resolve) =>
          client.on('move', (move) => {
            clearInterval(publishing)
            void client.publish('from there')
            resolve(move)
          }),
        )
      })
      .finally(() => hasMoved.abort())
    old.shutdown.begin('test')
    let count = 0
    while (!hasMoved.signal.aborted) await anna.publish(count++)
    await anna.publish('end')
    await until(page, 'end')
    expect(await receivedOn(page)).toEqual([...Array(count).keys(), 'end'])
    expect(await moved).toEqual({ from: old.node, to: fresh.node })
    await received.until('from there')
    expect(received.data).toEqual([...Array(received.data.length - 1).keys(), 'from there'])
    expect(await page.evaluate(() => (globalThis as unknown as PageGlobals).states)).toEqual(['open'])
  },
)

/** Opens a tab from the page: the browser copies sessionStorage into it, as it does for a duplicated tab. */
async function duplicate(page: Page, url: string): Promise<Page> {
  const opened = page.waitForEvent('popup')
  await page.evaluate(() => void window.open(location.href))
  const copy = await opened
  await copy.waitForLoadState()
  expect(await copy.evaluate(() => sessionStorage.getItem('test'))).not.toBeNull()
  await addClient(copy, url)
  return copy
}

const stateOf = (page: Page) =>
  page.evaluate(() => {
    const { client, states } = globalThis as unknown as PageGlobals
    return { clientId: client.clientId, states }
  })

test.skipIf(!CHROMIUM).each(['Web Locks', 'a BroadcastChannel'])(
  'a duplicated tab gets a client name of its own and the first tab keeps its name, by %s',
  async (means) => {
    const server = await startServer({ presenceIntervalMs: 0 })
    const page = await openPage(server)
    if (means !== 'Web Locks') {
      // A page without HTTPS has no Web Locks.
      await page.context().addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }))
      await page.reload()
    }
    await addClient(page, server.webSocketUrl)
    await page.waitForFunction(() => sessionStorage.getItem('test') !== null)
    const first = await stateOf(page)
    const copy = await duplicate(page, server.webSocketUrl)
    const second = await stateOf(copy)
    expect(second.clientId).not.toBe(first.clientId)

    // Both are connected: each receives what the other publishes.
    await copy.evaluate(() => (globalThis as unknown as PageGlobals).client.publish('from the copy'))
    await until(page, 'from the copy')
    await page.evaluate(() => (globalThis as unknown as PageGlobals).client.publish('from the first'))
    await until(copy, 'from the first')
    expect(await stateOf(page)).toEqual(first)

    // After a reload each tab keeps its client name.
    for (const [tab, before] of [
      [copy, second],
      [page, first],
    ] as const) {
      await tab.waitForFunction((id) => sessionStorage.getItem('test')?.includes(id as string), before.clientId)
      await tab.reload()
      await addClient(tab, server.webSocketUrl)
      expect((await stateOf(tab)).clientId).toBe(before.clientId)
    }
  },
)

test.skipIf(!CHROMIUM)('a tab keeps its client although the browser takes seconds to grant its claim', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const page = await openPage(server)
  await page.addInitScript(() => {
    const request = navigator.locks.request.bind(navigator.locks) as (...parameters: unknown[]) => unknown
    const slowRequest = async (...parameters: unknown[]): Promise<unknown> => {
      await new Promise((resolve) => setTimeout(resolve, 2000))
      document.body.dataset['granted'] = 'yes'
      return request(...parameters)
    }
    Object.defineProperty(navigator.locks, 'request', { value: slowRequest })
  })
  await page.reload()
  await addClient(page, server.webSocketUrl)
  await page.waitForFunction(() => document.body.dataset['granted'] === 'yes')
  const first = await stateOf(page)
  const copy = await duplicate(page, server.webSocketUrl)
  expect((await stateOf(copy)).clientId).not.toBe(first.clientId)
  await copy.evaluate(() => (globalThis as unknown as PageGlobals).client.publish('from the copy'))
  await until(page, 'from the copy')
  expect(await stateOf(page)).toEqual(first)
})

test.skipIf(!CHROMIUM)('a closed client leaves its stored state to the next client of the page', async () => {
  const server = await startServer({ presenceIntervalMs: 0 })
  const page = await openPage(server)
  await addClient(page, server.webSocketUrl)
  const { clientId } = await stateOf(page)
  await page.waitForFunction(() => sessionStorage.getItem('test') !== null)
  await page.evaluate(() => (globalThis as unknown as PageGlobals).client.close())
  await addClient(page, server.webSocketUrl)
  expect((await stateOf(page)).clientId).toBe(clientId)
})
