/**
 * Finds the text of the member `data` in a JSON object, so that the server can pass it on byte for byte. Parsing and
 * encoding it anew would change it: 738529527931269425 would become 738529527931269400, and 1e400 would become null.
 *
 * The scanner relies on JSON.parse having accepted the text, so it looks only for the ends of values. It takes linear
 * time, and no recursion, whatever the nesting.
 */

/** The text of a JSON value, and how deep its lists and objects are nested: 0 for a number or a string. */
export interface DataText {
  readonly json: string
  readonly depth: number
}

interface ValueEnd {
  readonly end: number
  readonly depth: number
}

const TAB = 0x09
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const OPENING_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d

/**
 * The member `data` of a JSON object; `undefined` if the object has none. Where the object names it more than once, the
 * last one counts, as it does for JSON.parse.
 *
 * @param text An object that JSON.parse accepts. The result for any other text has no meaning.
 */
export function findDataText(text: string): DataText | undefined {
  let found: DataText | undefined
  // After the brace that opens the object.
  let index = skipWhitespace(text, skipWhitespace(text, 0) + 1)
  while (text.charCodeAt(index) === QUOTE) {
    const keyEnd = endOfString(text, index)
    // A colon follows the key.
    const start = skipWhitespace(text, skipWhitespace(text, keyEnd) + 1)
    const { end, depth } = endOfValue(text, start)
    if (isDataKey(text, index, keyEnd)) found = { json: text.slice(start, end), depth }
    index = skipWhitespace(text, end)
    if (text.charCodeAt(index) === COMMA) index = skipWhitespace(text, index + 1)
  }
  return found
}

/** Whether this key is `data`, also where it is written with escapes: `"d\u0061ta"`. */
function isDataKey(text: string, start: number, end: number): boolean {
  if (end - start === '"data"'.length) return text.startsWith('"data"', start)
  // With escapes, the key has at most six characters for each of its four letters, and two quotes.
  if (end - start > 4 * 6 + 2 || !text.slice(start, end).includes('\\')) return false
  return JSON.parse(text.slice(start, end)) === 'data'
}

function endOfValue(text: string, start: number): ValueEnd {
  switch (text.charCodeAt(start)) {
    case QUOTE:
      return { end: endOfString(text, start), depth: 0 }
    case OPENING_BRACKET:
    case OPENING_BRACE:
      return endOfNested(text, start)
    default:
      return { end: endOfLiteral(text, start), depth: 0 }
  }
}

/** The index after the bracket or brace that closes the one at `start`. */
function endOfNested(text: string, start: number): ValueEnd {
  let level = 0
  let depth = 0
  let index = start
  while (index < text.length) {
    switch (text.charCodeAt(index)) {
      case OPENING_BRACKET:
      case OPENING_BRACE:
        level++
        if (level > depth) depth = level
        break
      case CLOSING_BRACKET:
      case CLOSING_BRACE:
        level--
        if (level === 0) return { end: index + 1, depth }
        break
      case QUOTE:
        index = endOfString(text, index)
        continue
    }
    index++
  }
  return { end: index, depth }
}

/** The index after the quote that closes the string whose first quote is at `start`. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1)
  while (quote > 0 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1)
  return quote < 0 ? text.length : quote + 1
}

/** Whether an odd number of backslashes precedes it. Each backslash precedes one quote at most, which keeps the time linear. */
function isEscaped(text: string, quote: number): boolean {
  let index = quote
  while (text.charCodeAt(index - 1) === BACKSLASH) index--
  return (quote - index) % 2 === 1
}

/** The index after a number, `true`, `false` or `null`. */
function endOfLiteral(text: string, start: number): number {
  let index = start
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === COMMA || code === CLOSING_BRACE || isWhitespace(code)) break
    index++
  }
  return index
}

function skipWhitespace(text: string, start: number): number {
  let index = start
  while (isWhitespace(text.charCodeAt(index))) index++
  return index
}

const isWhitespace = (code: number): boolean =>
  code === SPACE || code === LINE_FEED || code === CARRIAGE_RETURN || code === TAB
