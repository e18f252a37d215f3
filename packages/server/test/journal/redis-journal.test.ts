/**
 * The Redis journal: the contract, against a real server.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from 'vitest'
import { describeJournal } from '../../src/testing/index.js'
import { lacksRedis, RedisServer } from '../support/redis-server.js'
import { RedisPlace } from './redis-place.js'

const running = process.env['REDIS_URL']

describe.skipIf(running === undefined && lacksRedis())('over Redis', () => {
  let server: RedisServer | undefined

  beforeAll(async () => {
    if (running === undefined) server = await RedisServer.start()
  })

  afterAll(() => server?.dispose())

  describeJournal(
    { describe, it, beforeEach, afterEach },
    {
      name: 'redis:',
      isShared: true,
      makePlace: () => Promise.resolve(new RedisPlace(running ?? server?.url ?? '')),
      impossible: { rollOver: 'a stream is one piece to its readers: Redis numbers its entries without gaps' },
    },
  )
})
