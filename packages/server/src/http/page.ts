/**
 * `GET /`: the page, and the client that it imports: files that the build writes into `dist/page/`, kept in memory. A browser revalidates each file at every
 * visit and gets 304 when it is unchanged: the browser sees a deploy at once, and the page does not mix files of two builds for
 * long.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** The path is the same from `src/http/`, `dist/http/` and `dist/command/`. */
export const PAGE_FOLDER = new URL('../../dist/page/', import.meta.url)

const CONTENT_TYPES = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
])

/**
 * The page loads only its own files; `'self'` of connect-src includes this origin's ws: and wss: (CSP level 3). Trusted Types:
 * the page has no policy, so a defect of the page cannot turn data into markup.
 */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

interface PageFile {
  readonly name: string
  readonly contentType: string
  readonly body: Buffer
  readonly etag: string
}

/**
 * Reads the page's files. Rejects when the package is incomplete, so that the server fails at its start and not at the first
 * visit.
 */
async function loadPage(): Promise<readonly PageFile[]> {
  const names = (await readdir(PAGE_FOLDER)).filter((name) => CONTENT_TYPES.has(extname(name)))
  return Promise.all(
    names.map(async (name): Promise<PageFile> => {
      const body = await readFile(new URL(name, PAGE_FOLDER))
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
      return { name, contentType: CONTENT_TYPES.get(extname(name)) ?? '', body, etag }
    }),
  )
}

/** The address of a file; the others are under `/page/`. */
const ADDRESSES = new Map([
  ['index.html', '/'],
  ['client.js', '/client.js'],
])

/** Serves `index.html` at `/`, the client at `/client.js` and the other files under `/page/`. */
export async function registerPage(app: FastifyInstance): Promise<void> {
  for (const file of await loadPage()) {
    const answer = (request: FastifyRequest, reply: FastifyReply): FastifyReply => sendFile(file, request, reply)
    const schema = file.name === 'index.html' ? PAGE_SCHEMA : { hide: true }
    app.get(ADDRESSES.get(file.name) ?? `/page/${file.name}`, { schema }, answer)
  }
}

const PAGE_SCHEMA = {
  tags: ['page'],
  summary: 'The chat page',
  response: {
    200: { description: 'The page.', content: { 'text/html': { schema: { type: 'string' } } } },
  },
} as const

function sendFile(file: PageFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers({ etag: file.etag, 'cache-control': 'no-cache', 'content-security-policy': PAGE_POLICY })
  if (matches(request.headers['if-none-match'], file.etag)) return reply.code(304).send()
  return reply.type(file.contentType).send(file.body)
}

/** `If-None-Match` compares weakly (RFC 9110 section 13.1.2): proxies that compress turn `"x"` into `W/"x"`. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.split(',').some((tag) => {
    const trimmed = tag.trim()
    return trimmed === '*' || trimmed === etag || trimmed === `W/${etag}`
  })
}
