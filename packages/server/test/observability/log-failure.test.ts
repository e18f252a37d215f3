/**
 * The log line of a failed start: its content, and the stack only where a reader needs it.
 */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { LastcallError } from '../../src/errors.js'
import { explainFailure } from '../../src/observability/log-failure.js'

/** The error of the system when a second server uses the same port. */
async function portTaken(): Promise<{ error: unknown; port: number }> {
  const first = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void first.close())
  await once(first, 'listening')
  const { port } = first.address() as AddressInfo
  const [error] = (await once(createServer().listen(port, '127.0.0.1'), 'error').catch((e: unknown) => [e])) as [
    unknown,
  ]
  return { error, port }
}

test('the error of a port in use names the variable that chooses another port', async () => {
  const { error, port } = await portTaken()
  const advice = (variable: string): string =>
    `cannot listen on 127.0.0.1:${port}: another program uses this port. Stop it, or set ${variable} to another port (EADDRINUSE)`
  const fields = { code: 'EADDRINUSE', address: '127.0.0.1', port }
  expect(explainFailure(error, {})).toEqual({ ...fields, message: advice('PORT') })
  expect(explainFailure(error, { adminPort: port })).toEqual({ ...fields, message: advice('ADMIN_PORT') })
})

test.each([
  ['EACCES', 'ports below 1024 need a privilege. Set PORT to a port from 1024 on'],
  ['EADDRNOTAVAIL', 'Set HOST to one of its addresses'],
])('%s says what to do', (code, advice) => {
  const error = Object.assign(new Error(`listen ${code}`), { code, syscall: 'listen', address: '192.0.2.1', port: 81 })
  const { message, ...fields } = explainFailure(error, {})
  expect(message).toContain(advice)
  expect(fields).toEqual({ code, address: '192.0.2.1', port: 81 })
})

test('a LastcallError is logged with its message and code, and with the message of its cause if that adds information', () => {
  const cause = new Error('certificate has expired')
  const error = new LastcallError('journal_unusable', 'cannot use the journal', { cause })
  expect(explainFailure(error, {})).toEqual({
    message: 'cannot use the journal',
    code: 'journal_unusable',
    cause: 'certificate has expired',
  })
  const quoting = new LastcallError('journal_unusable', 'no: certificate has expired', { cause })
  expect(explainFailure(quoting, {})).toEqual({ message: 'no: certificate has expired', code: 'journal_unusable' })
})

test('an unexpected error keeps its stack', () => {
  const error = new TypeError('x is not a function')
  expect(explainFailure(error, {})).toEqual({ message: 'the server could not start', error })
})
