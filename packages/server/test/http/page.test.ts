/** The page as the server delivers it. Other tests run it in a browser. */
import { readdir } from 'node:fs/promises'
import { CLOSE_CODES } from '@lastcall/protocol'
import { describe, expect, test } from 'vitest'
import { allowedName, friendlyName } from '../../page/names.js'
import { setLanguage, t } from '../../page/texts.js'
import { PAGE_FOLDER } from '../../src/http/page.js'
import { startApp } from './start-app.js'

test('the server has every file that the page refers to', async () => {
  const { url, get } = await startApp()
  const answer = await get('/')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
  const html = await answer.text()
  const parts = [...html.matchAll(/(?:src|<link[^>]*href)="([^"]+)"/g)].map(([, part = '']) => part)
  expect(parts).toContain('page/page.js')
  expect(parts).toContain('page/page.css')

  const seen = new Set<string>()
  const waiting = parts.map((part) => new URL(part, url('/')).href)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next)) continue
    seen.add(next)
    const part = await fetch(next)
    expect([next, part.status]).toEqual([next, 200])
    const base = next
    const imports = (await part.text()).matchAll(/from\s*["'](\.[^"']+)["']/g)
    waiting.push(...[...imports].map(([, module = '']) => new URL(module, base).href))
  }
  expect(seen).toContain(url('/client.js'))
  // The server ships no file that the page does not request.
  const files = (await readdir(PAGE_FOLDER)).filter((name) => name !== 'index.html')
  expect([...seen].map((href) => href.slice(href.lastIndexOf('/') + 1)).sort()).toEqual(files.sort())
})

test.each([
  ['/', 'text/html; charset=utf-8'],
  ['/page/page.css', 'text/css; charset=utf-8'],
  ['/page/page.js', 'text/javascript; charset=utf-8'],
  ['/client.js', 'text/javascript; charset=utf-8'],
  ['/page/icon.svg', 'image/svg+xml'],
])('%s is %s', async (path, type) => {
  const { get } = await startApp()
  expect((await get(path)).headers.get('content-type')).toBe(type)
})

test.each(['/page/', '/page/index.html', '/page/../package.json', '/page/..%2Fpackage.json', '/page/nothing.js'])(
  '%s is no file of the page',
  async (path) => {
    const { get } = await startApp()
    expect((await get(path)).status).toBe(404)
  },
)

test('the page explains each close code in both languages', () => {
  const codes = [...Object.values(CLOSE_CODES), 1006]
  for (const language of ['uk', 'en'] as const) {
    setLanguage(language)
    expect(Object.keys(t().closeCodes).map(Number).sort()).toEqual([...codes].sort())
  }
})

describe('its policy', () => {
  test('allows its own files and nothing inline, no frame around it, no markup from data', async () => {
    const { get } = await startApp()
    const directives = (await get('/')).headers.get('content-security-policy')?.split('; ') ?? []
    expect(directives).toContain("default-src 'none'")
    expect(directives).toContain("script-src 'self'")
    expect(directives).toContain("style-src 'self'")
    expect(directives).toContain("connect-src 'self'")
    expect(directives).toContain("frame-ancestors 'none'")
    expect(directives).toContain("require-trusted-types-for 'script'")
    expect(directives.join()).not.toContain('unsafe')
  })

  test('blocks no part of the page, which contains nothing inline and nothing from elsewhere', async () => {
    const { get } = await startApp()
    const html = await (await get('/')).text()
    expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:/i)
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/)
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
  })
})

describe('caching', () => {
  test('a browser with the same version gets 304, also with a tag that a proxy weakened', async () => {
    const { get } = await startApp()
    const first = await get('/')
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[\w-]{22}"$/)
    expect(first.headers.get('cache-control')).toBe('no-cache')
    await first.arrayBuffer()
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await get('/', { headers: { 'if-none-match': tag } })
      expect([tag, again.status]).toEqual([tag, 304])
      expect(again.headers.get('etag')).toBe(etag)
      expect(await again.text()).toBe('')
    }
  })

  test('a browser with another version gets this one', async () => {
    const { get } = await startApp()
    const answer = await get('/', { headers: { 'if-none-match': '"other"' } })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('<title>lastcall</title>')
  })

  test('each file has a tag of its own', async () => {
    const { get } = await startApp()
    const [page, script] = [await get('/'), await get('/page/page.js')]
    expect(page.headers.get('etag')).not.toBe(script.headers.get('etag'))
  })
})

describe('names', () => {
  test.each([
    ['anna', 'anna'],
    ['a--b_', 'a--b_'],
    ['Олена', 'Olena'],
    ['Юрій Згурський', 'Yurii-Zghurskyi'],
    ['Мар’яна', 'Mariana'],
    ['Щука', 'Shchuka'],
    ['José', 'Jose'],
    ['  two  words! ', 'two-words'],
    ['日本', ''],
    ['x'.repeat(100), 'x'.repeat(64)],
  ])('%s becomes %s', (typed, name) => {
    expect(allowedName(typed)).toBe(name)
  })

  test('the proposed name is always valid', () => {
    for (const language of ['uk', 'en'] as const) expect(friendlyName(language)).toMatch(/^[a-z]+-[a-z]+-\d\d$/)
  })
})
