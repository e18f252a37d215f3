/**
 * The session secret beside a file journal: shared by all processes, private, and intact after a crash.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sessionSecretBeside } from '../../src/journal/open-journal.js'
import { silentLogger } from '../../src/observability/log.js'
import { startServer } from '../support/test-server.js'
import { removeFolder } from '../support/remove-folder.js'

describe('the session secret', () => {
  let root: string
  let path: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'lastcall-secret-'))
    path = join(root, 'journal')
  })
  afterEach(() => removeFolder(root))

  const kept = (): Promise<string | undefined> => sessionSecretBeside(`file:${path}`, silentLogger)

  it('is the same for all processes that create it at the same time, and only its owner may read it', async () => {
    mkdirSync(path)
    const secrets = await Promise.all(Array.from({ length: 20 }, kept))
    expect(new Set(secrets).size).toBe(1)
    expect(secrets[0]?.length).toBeGreaterThan(40)
    expect(readdirSync(path)).toEqual(['session-secret'])
    if (process.platform !== 'win32') expect(statSync(join(path, 'session-secret')).mode & 0o777).toBe(0o600)
  })

  it('that is truncated is refused, without its content in the message', async () => {
    mkdirSync(path)
    writeFileSync(join(path, 'session-secret'), 'c2hvcnQ')
    await expect(kept()).rejects.toMatchObject({ code: 'journal_unusable' })
    await expect(kept()).rejects.toThrow(/^(?!.*c2hvcnQ).*Remove it/)
  })

  it('does not exist for a journal in memory', async () => {
    expect(await sessionSecretBeside('memory:', silentLogger)).toBeUndefined()
  })

  it('lets a client take over its name from a connection to another server with the same journal', async () => {
    const journalUrl = `file:${path}`
    const first = await startServer({ journalUrl })
    const anna = await first.connect('anna')
    const { session } = await anna.first('welcome')
    const second = await startServer({ journalUrl })
    const returned = await second.connect(`anna?session=${session}`)
    expect((await returned.first('welcome')).session).toBe(session)
  })

  it('is not created when one is configured', async () => {
    await startServer({ journalUrl: `file:${path}`, sessionSecret: 'a secret of more than thirty-two bytes' })
    expect(existsSync(join(path, 'session-secret'))).toBe(false)
  })
})
