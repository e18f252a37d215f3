/**
 * What the issuer of tokens can do to a server: its keys cannot be fetched.
 */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Subject } from './subject.mjs'
import { Visitor } from './visitor.mjs'
import { inWords, must, within } from './within.js'

function newKey(kid) {
  // In PEM, and read again: Node 20 now and then hangs for ever when it exports a key that it has just generated, for a
  // garbage collection meanwhile waits for the lock of the export.
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const encode = (content) => Buffer.from(JSON.stringify(content)).toString('base64url')
  return {
    jwk: { ...createPublicKey(publicKey).export({ format: 'jwk' }), kid, alg: 'ES256' },
    tokenOf(sub) {
      const text = `${encode({ alg: 'ES256', kid })}.${encode({ sub, exp: Math.floor(Date.now() / 1000) + 3600 })}`
      const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      return `${text}.${signature.toString('base64url')}`
    },
  }
}

/** Ways in which an issuer fails. */
const FAILURES = {
  'HTTP 503': (response) => response.writeHead(503).end(),
  'cut off': (response) => response.destroy(),
  rubbish: (response) => response.end('<html>'),
  'no answer': () => undefined,
}

export async function keysDown() {
  const [first, second] = [newKey('first'), newKey('second')]
  let answer = (response) => response.end(JSON.stringify({ keys: [first.jwk] }))
  const issuer = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1')
  await once(issuer, 'listening')
  const subject = await Subject.serving({ AUTH_JWKS_URL: `http://127.0.0.1:${issuer.address().port}/keys` })
  const enter = (name, key) => new Visitor(subject.webSocketUrl, name, `?token=${key.tokenOf(name)}`)
  const isIn = (visitor) => visitor.first(({ type }) => type === 'welcome')
  const anna = enter('anna', first)
  await isIn(anna)

  let rejected = 0
  for (const fail of Object.values(FAILURES)) {
    answer = fail
    // The keys that the server has stay in use.
    const known = enter(`known-${rejected}`, first)
    await isIn(known)
    const code = await within('the end of a client', enter(`new-${rejected}`, second).closed)
    must(code === 1013, `a client whose key could not be fetched was closed with ${code}`)
    rejected++
  }
  await anna.publishAll(10)
  must((await subject.metric('lastcall_rejections_total{reason="unavailable"}')) === rejected, 'the metric lacks some')

  answer = (response) => response.end(JSON.stringify({ keys: [first.jwk, second.jwk] }))
  const startMs = performance.now()
  for (;;) {
    const borys = enter('borys', second)
    if ((await Promise.race([isIn(borys).catch(() => undefined), borys.closed])) !== 1013) break
    must(performance.now() - startMs < 60_000, 'the keys were not fetched again')
  }
  const backMs = performance.now() - startMs
  issuer.closeAllConnections()
  issuer.close()
  await subject.stop()
  return (
    `${Object.keys(FAILURES).join(', ')}: ${rejected} of ${rejected} with a new key rejected with 1013, ` +
    `${rejected} with a known key let in; all let in ${inWords(backMs)} after the keys were there`
  )
}
