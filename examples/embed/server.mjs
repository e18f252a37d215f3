/**
 * lastcall inside a server you have already: here Fastify; with Express it is the same, with the `http.Server` that
 * `app.listen()` gives.
 *
 *   node examples/embed/server.mjs          then: npx wscat -c ws://localhost:3000/chat/anna
 */
import fastify from 'fastify'
import { createLogger, createServer } from 'lastcall'

const app = fastify()
const lastcall = await createServer({
  journalUrl: process.env.JOURNAL_URL ?? 'file:./data/embedded',
  logger: createLogger(),
  hooks: {
    // The session cookie of your own application could be looked at here.
    onConnect: ({ clientId }) => clientId !== 'nobody',
    onMessage({ data }) {
      if (typeof data !== 'string') return { refuse: 'only text, please' }
      return data.includes('darn') ? { data: data.replaceAll('darn', '****') } : undefined
    },
    onDisconnect: ({ clientId, code }) => console.log(`${clientId} has gone (${code})`),
  },
})

app.get('/', () => ({ hello: 'this is the application' }))
app.get('/health', () => lastcall.health())

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
lastcall.attach(app.server, { path: '/chat' })
console.log(`listening at ${app.listeningOrigin}`)

// The goodbye is lastcall's; what is yours closes after it.
lastcall.shutdown.registerSignals()
await lastcall.shutdown.waitForShutdown()
await app.close()
