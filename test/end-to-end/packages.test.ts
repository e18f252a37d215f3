/**
 * The packed packages in another project: complete, correct for its tools, and installable without a warning.
 */
import { readFileSync } from 'node:fs'
import { basename, join, posix } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lacksRegistry, packAll, ROOT, runProgram, temporaryFolder } from '../support/packages.js'
import { removeFolder } from '../../packages/server/test/support/remove-folder.js'

const NAMES = ['lastcall-0.1.0.tgz', 'lastcall-client-0.1.0.tgz', 'lastcall-protocol-0.1.0.tgz']
const FOLDERS = { 'lastcall-0.1.0.tgz': 'server', 'lastcall-client-0.1.0.tgz': 'client' } as Record<string, string>

/** The packages are ESM only, as Node loads them since 20.19 also by `require`; older resolutions are not supported. */
const UNSUPPORTED = new Set(['node10', 'node16-cjs'])

const folder = temporaryFolder('packages')
let tarballs: string[] = []
beforeAll(async () => {
  tarballs = await packAll(folder)
}, 120_000)
afterAll(() => removeFolder(folder))

const tarball = (name: string): string => join(folder, name)

async function filesOf(name: string): Promise<string[]> {
  const { text } = await runProgram('tar', ['-tzf', tarball(name)], folder)
  return text.trim().split('\n')
}

test('three packages are packed', () => {
  expect(tarballs.map((path) => basename(path))).toEqual(NAMES)
})

describe.each(NAMES)('%s', (name) => {
  test('has a license, a README, and every source that its source maps name', async () => {
    const files = new Set(await filesOf(name))
    expect(files).toContain('package/LICENSE')
    expect(files).toContain('package/README.md')
    const maps = [...files].filter((file) => file.endsWith('.map'))
    expect(maps.length).toBeGreaterThan(0)
    await runProgram('tar', ['-xzf', tarball(name)], folder)
    for (const map of maps) {
      const { sources } = JSON.parse(readFileSync(join(folder, map), 'utf8')) as { sources: string[] }
      for (const source of sources) expect(files).toContain(posix.join(posix.dirname(map), source))
    }
  })

  test('names its repository, and has the license of the project', () => {
    const place = join(ROOT, 'packages', FOLDERS[name] ?? 'protocol')
    const manifest = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as Record<string, unknown>
    expect(manifest['repository']).toMatchObject({ type: 'git', directory: `packages/${FOLDERS[name] ?? 'protocol'}` })
    expect(manifest['keywords']).toContain('websocket')
    expect(readFileSync(join(place, 'LICENSE'), 'utf8')).toBe(readFileSync(join(ROOT, 'LICENSE'), 'utf8'))
  })

  test('passes publint', async () => {
    const data = readFileSync(tarball(name))
    const pack = { tarball: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) }
    const { messages } = await publint({ pack, strict: true })
    expect(messages).toEqual([])
  })

  test('has types for every supported module resolution', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(readFileSync(tarball(name))))
    if (analysis.types === false) throw new Error('it has no types')
    const problems = analysis.problems.filter(
      (problem) => !('resolutionKind' in problem && UNSUPPORTED.has(problem.resolutionKind)),
    )
    expect(problems).toEqual([])
  })
})

describe.skipIf(await lacksRegistry())('an empty project', () => {
  test('installs the packages without a warning and uses them', async () => {
    const project = temporaryFolder('project')
    try {
      expect(await runProgram('npm', ['init', '--yes'], project)).toMatchObject({ code: 0 })
      const installed = await runProgram('npm', ['install', ...tarballs, 'ws'], project)
      expect(installed.text).not.toMatch(/warn|EBADENGINE|deprecated/i)
      expect(installed.code).toBe(0)
      const program = `
        import { createServer } from 'lastcall'
        import { connect } from '@lastcall/client'
        import { WebSocket } from 'ws'
        const server = await createServer({ host: '127.0.0.1', port: 0, journalUrl: 'memory:' })
        const { webSocketUrl } = await server.listen()
        const client = connect(webSocketUrl, { clientId: 'anna', webSocket: WebSocket })
        console.log(await client.publish('Hello') > 0)
        client.close()
        await server.close()`
      expect(await runProgram(process.execPath, ['--input-type=module', '--eval', program], project)).toEqual({
        code: 0,
        text: 'true\n',
      })
      expect(await runProgram('npx', ['lastcall', '--version'], project)).toMatchObject({ code: 0, text: '0.1.0\n' })
    } finally {
      removeFolder(project)
    }
  }, 300_000)
})
