/**
 * A server for a test, in this process, on a free port, with what tests want instead of the defaults. It is closed when
 * the test ends.
 */
import { onTestFinished } from 'vitest'
import { createServer, type Address, type LastcallServer, type ServerOptions } from '../../src/index.js'
import { TestClient, type TestClientOptions } from './test-client.js'

export interface TestServer extends LastcallServer, Address {
  /** Connects a client under this name and waits for its welcome. */
  connect(path: string, options?: TestClientOptions): Promise<TestClient>
}

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const server = await createServer({
    host: '127.0.0.1',
    port: 0,
    ...(options.journal ? {} : { journalUrl: 'memory:' }),
    broadcastIntervalSeconds: 0,
    maxMessagesPerMinute: 0,
    ...options,
  })
  const address = await server.listen()
  onTestFinished(async () => {
    server.connections.terminateAll()
    await server.close()
  })
  return {
    ...server,
    ...address,
    async connect(path, clientOptions) {
      const client = await TestClient.connect(`${address.webSocketUrl}/${path}`, clientOptions)
      await client.first('welcome')
      return client
    },
  }
}
