/**
 * PROTOCOL.md documents the complete wire protocol, and its examples are valid: it lists every message, error code and
 * close code with the meaning that the code gives them.
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

/** The server lists the types of client messages in its answer to an unknown one. */
function clientTypes(): string[] {
  const answer = parseClientMessage('{"type":"?"}', true)
  return answer.type === 'refusal' ? answer.detail.replace('type is one of ', '').split(', ') : []
}

describe('PROTOCOL.md', () => {
  test.each(serverTypes)('has a heading and an example for the server message %s', (type) => {
    const documented = section('Server messages')
    expect(headings(documented).flatMap((heading) => heading.split(', '))).toContain(type)
    expect(document.includes(`\n< {"type":"${type}"`)).toBe(true)
  })

  test('has a heading for each client message, and no other', () => {
    expect(clientTypes()).toContain('message')
    const documented = headings(section('Client messages')).map((heading) => heading.replaceAll('`', ''))
    expect(documented.toSorted()).toEqual(clientTypes().toSorted())
  })

  test('has no heading for a message that the server does not send', () => {
    expect(serverTypes).toContain('welcome')
    const documented = headings(section('Server messages')).flatMap((heading) => heading.split(', '))
    expect(documented.toSorted()).toEqual([...new Set(serverTypes)].toSorted())
  })

  test('lists every error code, and which ones are temporary', () => {
    const documented = rows(section('Error codes')).filter(([code]) => code?.startsWith('`'))
    const expected = ERROR_CODES.map((code) => [`\`${code}\``, isTemporary(code) ? 'yes' : 'no'])
    const found = documented.map(([code = '', , temporary = '']) => [code, temporary.split(',')[0]])
    expect(found.toSorted()).toEqual(expected.toSorted())
  })

  test('lists every close code, and whether a client reconnects after it', () => {
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

  const clientExamples = [...document.matchAll(/^> (\{.*\})$/gm)].map(([, text = '']) => text)

  test.each(clientExamples)('shows a client message that the parser accepts: %s', (text) => {
    expect(parseClientMessage(text, true)).not.toMatchObject({ type: 'refusal' })
  })

  const serverExamples = [...document.matchAll(/^< (\{.*\})$/gm)]
    .map(([, text = '']) => text)
    .filter((text) => !text.includes('…'))

  test.each(serverExamples)('shows a server message of a known type: %s', (text) => {
    const { type } = JSON.parse(text) as { type: string }
    expect(serverTypes).toContain(type)
  })
})
