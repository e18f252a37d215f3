/**
 * The OpenAPI document agrees with the routes of the server, and the pages show it.
 */
import { describe, expect, test } from 'vitest'
import { HEALTH, startApp } from './start-app.js'

interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
}

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { schema: Schema }>> }>
  >
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[]
}

interface OpenApi {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const METRICS = { contentType: 'text/plain; version=0.0.4', metrics: () => Promise.resolve('a 1\n') }

async function openApiOf(get: (path: string) => Promise<Response>): Promise<OpenApi> {
  const answer = await get('/openapi.json')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
  return (await answer.json()) as OpenApi
}

describe('/openapi.json', () => {
  test('lists exactly the routes of the server', async () => {
    const { get } = await startApp({ metrics: METRICS })
    const { openapi, info, paths } = await openApiOf(get)
    expect(openapi).toBe('3.1.0')
    expect(info).toMatchObject({ title: 'lastcall', version: '1.2.3' })
    expect(Object.keys(paths).sort()).toEqual(['/', '/health', '/metrics', '/ready', '/ws', '/ws/{clientId}'])
  })

  test('does not list metrics that are off', async () => {
    const { get } = await startApp()
    expect((await openApiOf(get)).paths).not.toHaveProperty('/metrics')
  })

  test('describes how a client connects over a WebSocket', async () => {
    const { get } = await startApp()
    const { description } = (await openApiOf(get)).info
    for (const word of ['/ws/{clientId}', 'lastcall.v1', 'cursor=EPOCH:OFFSET', 'session', 'token', '1001', '4009']) {
      expect(description).toContain(word)
    }
  })

  test('declares every path parameter and describes every response', async () => {
    const { get } = await startApp({ metrics: METRICS })
    for (const [path, operations] of Object.entries((await openApiOf(get)).paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      for (const { parameters = [], responses } of Object.values(operations)) {
        expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(inPath)
        expect(parameters.every(({ required }) => required === true)).toBe(true)
        for (const [status, { description }] of Object.entries(responses)) {
          expect([path, status, description]).not.toEqual([path, status, 'Default Response'])
        }
      }
    }
  })

  test.each([
    ['/', true],
    ['/health', true],
    ['/ready', true],
    ['/ready', false],
    ['/metrics', true],
    ['/ws', true],
    ['/ws/{clientId}', true],
  ])('is true of %s (ready: %s): status, type and fields are as promised', async (path, isReady) => {
    const { get } = await startApp({ metrics: METRICS, isReady: () => isReady })
    const { responses } = (await openApiOf(get)).paths[path]?.['get'] ?? { responses: {} }
    const answer = await get(path.replace('{clientId}', 'anna'))
    const [type = ''] = (answer.headers.get('content-type') ?? '').split(';')
    const schema = responses[answer.status]?.content?.[type]?.schema
    expect(schema).toBeDefined()
    if (type !== 'application/json') return
    const fields = Object.keys((await answer.json()) as object).sort()
    const optional = path === '/health' ? ['workers'] : []
    expect(Object.keys(schema?.properties ?? {}).sort()).toEqual([...fields, ...optional].sort())
    expect([...(schema?.required ?? [])].sort()).toEqual(fields)
  })

  test('lists all fields of /health', async () => {
    const { get } = await startApp()
    const schema = (await openApiOf(get)).paths['/health']?.['get']?.responses['200']?.content?.['application/json']
    expect(schema?.schema.required?.toSorted()).toEqual(Object.keys(HEALTH).sort())
  })
})

describe('/docs', () => {
  test.each(['/docs', '/docs/'])('%s is a page that works under its own policy', async (path) => {
    const { get, url } = await startApp()
    const answer = await get(path)
    expect(answer.status).toBe(200)
    const policy = answer.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("frame-ancestors 'none'")
    // On a server without TLS this directive would break every part of the page.
    expect(policy).not.toContain('upgrade-insecure-requests')

    const html = await answer.text()
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/)
    const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part = '']) => new URL(part, url(path)))
    expect(parts.length).toBeGreaterThan(4)
    for (const part of parts) {
      expect(part.origin).toBe(new URL(url('/')).origin)
      expect([part.pathname, (await fetch(part)).status]).toEqual([part.pathname, 200])
    }
  })

  test('sends the document to no validator on the network', async () => {
    const { get } = await startApp()
    const script = await (await get('/docs/static/swagger-initializer.js')).text()
    expect(script).toContain('"validatorUrl":null')
  })
})
