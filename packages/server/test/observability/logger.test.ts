/** The form of a log line, and the content that must not be in one. */
import { describe, expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../src/observability/log.js'
import { createLogger, type LoggerOptions } from '../../src/observability/logger.js'

function recording(options: LoggerOptions = {}): { logger: Logger; text: () => string; lines: () => unknown[] } {
  let text = ''
  const destination = {
    write(lines: string) {
      text += lines
    },
    flush() {
      text += '(flushed)\n'
    },
  }
  return {
    logger: createLogger({ destination, ...options }),
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as unknown),
  }
}

describe('as JSON', () => {
  test('a line is one object with level, time, event, fields and message', () => {
    const { logger, text, lines } = recording()
    logger.info('connect', { clientId: 'anna', totalConnections: 1 }, 'Client connected')
    expect(text().split('\n')).toHaveLength(2)
    const [line] = lines()
    expect(line).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      event: 'connect',
      clientId: 'anna',
      totalConnections: 1,
      msg: 'Client connected',
    })
  })

  test('a line without fields', () => {
    const { logger, lines } = recording()
    logger.warn('open_access', 'Everybody may come in')
    expect(lines()).toMatchObject([{ level: 'warn', event: 'open_access', msg: 'Everybody may come in' }])
  })

  test('a line break in a field does not break the line', () => {
    const { logger, text } = recording()
    logger.info('rejected', { clientId: 'a\n{"level":"error"}' }, 'Rejected')
    expect(text().trimEnd().split('\n')).toHaveLength(1)
  })

  test('the logger writes no line below the level', () => {
    const { logger, lines } = recording({ level: 'warn' })
    logger.debug('message', 'no')
    logger.info('connect', 'no')
    logger.warn('config', 'yes')
    logger.error('error', 'yes')
    expect(lines()).toHaveLength(2)
    expect([logger.enabled('info'), logger.enabled('warn')]).toEqual([false, true])
  })

  test('a child repeats its fields in every line', () => {
    const { logger, lines } = recording()
    logger.child({ node: 'n1' }).child({ part: 'hub' }).info('connect', { clientId: 'anna' }, 'Connected')
    expect(lines()).toMatchObject([{ node: 'n1', part: 'hub', clientId: 'anna' }])
  })

  test('an error has its type, message, code and stack', () => {
    const { logger, lines } = recording()
    const error = Object.assign(new TypeError('broken'), { code: 'E_BROKEN' })
    logger.error('error', { error }, 'It broke')
    expect(lines()).toMatchObject([
      {
        msg: 'It broke',
        error: {
          type: 'TypeError',
          message: 'broken',
          code: 'E_BROKEN',
          stack: expect.stringContaining('TypeError') as string,
        },
      },
    ])
  })

  test.each([
    ['no room: ENOSPC: disk full', 'no room: ENOSPC: disk full'],
    ['no room', 'no room: ENOSPC: disk full'],
  ])('an error %j says its cause once', (message, logged) => {
    const { logger, lines } = recording()
    logger.error('error', { error: new Error(message, { cause: new Error('ENOSPC: disk full') }) }, 'It broke')
    expect(lines()).toMatchObject([{ error: { message: logged } }])
  })

  test('the logger accepts a thrown value that is no Error', () => {
    const { logger, lines } = recording()
    logger.error('error', { error: 'thrown text' }, 'It broke')
    expect(lines()).toMatchObject([{ error: 'thrown text' }])
  })

  test('the logger writes an error at once', () => {
    const { logger, text } = recording()
    logger.info('connect', 'Connected')
    expect(text()).not.toContain('(flushed)')
    logger.error('error', 'It broke')
    expect(text()).toMatch(/It broke.*\n\(flushed\)\n$/)
  })

  test('the logger redacts a secret', () => {
    const { logger, text } = recording()
    const secrets = { token: 'eyJ', session: 's3', authorization: 'Bearer', cookie: 'c=1', headers: { x: 'y7' } }
    logger.info('rejected', secrets, 'Rejected')
    logger.child({ token: 'eyJ' }).info('rejected', 'Rejected')
    expect(text()).not.toMatch(/eyJ|s3|Bearer|c=1|y7/)
    expect(text()).toContain('"token":"[redacted]"')
  })
})

describe('pretty', () => {
  test('a line has a readable time, level, event, message and fields', () => {
    const { logger, text } = recording({ format: 'pretty' })
    logger.info('connect', { clientId: 'anna' }, 'Client connected')
    expect(text()).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: connect: Client connected .*"clientId":"anna"/)
  })

  test('the logger redacts a secret in pretty lines, too', () => {
    const { logger, text } = recording({ format: 'pretty' })
    logger.info('connect', { token: 'eyJ' }, 'Client connected')
    expect(text()).toContain('[redacted]')
    expect(text()).not.toContain('eyJ')
  })
})

test('the format auto is JSON for a destination that is no terminal', () => {
  const { logger, lines } = recording({ format: 'auto' })
  logger.info('connect', 'Connected')
  expect(lines()).toHaveLength(1)
})

test('the silent logger accepts every line and reports every level as disabled', () => {
  silentLogger.child({ a: 1 }).error('error', { error: new Error('x') }, 'x')
  silentLogger.flush()
  expect(silentLogger.enabled('error')).toBe(false)
})
