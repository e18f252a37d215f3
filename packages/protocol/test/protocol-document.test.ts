/**
 * PROTOCOL.md says everything that can be said on the wire, and what it shows is true: no message, error code or close
 * code is missing there, or means something else.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseClientMessage } from '../src/client-messages.js'
import { CLOSE_CODES, comeBackAfter, type ComeBack } from '../src/close-codes.js'
import { ERROR_CODES, isTemporary } from '../src/error-codes.js'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

const document = read('../PROTOCOL.md')

/** The text under a heading, up to the next one of the same rank. */
function section(title: string): string {
  const [, text] = document.split(`\n## ${title}\n`)
  if (text === undefined) throw new Error(`PROTOCOL.md has no section "${title}"`)
  return text.split('\n## ')[0] ?? ''
}

const headings = (text: string): string[] => [...text.matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading)

/** The rows of a section's tables, as cells without padding. */
const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => cells.slice(1, -1))

const types = (source: string): string[] =>
  [...source.matchAll(/^ {2}readonly type: '(\w+)'$/gm)].map(([, t = '']) => t)

const serverTypes = types(read('../src/server-messages.ts'))

/** The server itself lists them when it is told another one. */
function clientTypes(): string[] {
  const answer = parseClientMessage('{"type":"?"}', true)
  return answer.type === 'refusal' ? answer.detail.replace('type is one of ', '').split(', ') : []
}

describe('PROTOCOL.md', () => {
  test.each(serverTypes)('has a heading and an example for what the server says: %s', (type) => {
    const said = section('What the server says')
    expect(headings(said).flatMap((heading) => heading.split(', '))).toContain(type)
    expect(document.includes(`\n< {"type":"${type}"`)).toBe(true)
  })

  test('has headings for what a client says, and for nothing else', () => {
    expect(clientTypes()).toContain('message')
    const said = headings(section('What a client says')).map((heading) => heading.replaceAll('`', ''))
    expect(said.toSorted()).toEqual(clientTypes().toSorted())
  })

  test('has headings for nothing that the server does not say', () => {
    expect(serverTypes).toContain('welcome')
    const said = headings(section('What the server says')).flatMap((heading) => heading.split(', '))
    expect(said.toSorted()).toEqual([...new Set(serverTypes)].toSorted())
  })

  test('has every error code, and says which ones may pass', () => {
    const documented = rows(section('Error codes')).filter(([code]) => code?.startsWith('`'))
    const expected = ERROR_CODES.map((code) => [`\`${code}\``, isTemporary(code) ? 'yes' : 'no'])
    const found = documented.map(([code = '', , temporary = '']) => [code, temporary.split(',')[0]])
    expect(found.toSorted()).toEqual(expected.toSorted())
  })

  test('has every close code, and says whether to come back', () => {
    const words: Record<ComeBack, string> = {
      no: 'no',
      yes: 'yes, with the cursor',
      later: 'later',
      'new-token': 'with a new token',
      'no-cursor': 'yes, without the cursor',
    }
    const documented = rows(section('Close codes')).filter(([code]) => /^\d+$/.test(code ?? ''))
    const expected = Object.values(CLOSE_CODES).map((code) => [String(code), words[comeBackAfter(code)]])
    expect(documented.map(([code, , comeBack]) => [code, comeBack]).toSorted()).toEqual(expected.toSorted())
  })

  const saidByClients = [...document.matchAll(/^> (\{.*\})$/gm)].map(([, text = '']) => text)

  test.each(saidByClients)('shows a client message that is taken: %s', (text) => {
    expect(parseClientMessage(text, true)).not.toMatchObject({ type: 'refusal' })
  })

  const saidByTheServer = [...document.matchAll(/^< (\{.*\})$/gm)]
    .map(([, text = '']) => text)
    .filter((text) => !text.includes('…'))

  test.each(saidByTheServer)('shows a server message that is one: %s', (text) => {
    const { type } = JSON.parse(text) as { type: string }
    expect(serverTypes).toContain(type)
  })
})
