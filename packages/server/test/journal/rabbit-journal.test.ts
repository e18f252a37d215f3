/**
 * The RabbitMQ journal against a real server: the contract.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, it, vi } from 'vitest'
import { describeJournal } from '../../src/testing/index.js'
import { lacksRabbit, RabbitServer, START_TIMEOUT_MS } from '../support/rabbitmq-server.js'
import { RabbitPlace } from './rabbit-place.js'

vi.setConfig({ testTimeout: START_TIMEOUT_MS, hookTimeout: START_TIMEOUT_MS })

describe.skipIf(lacksRabbit())('RabbitMQ', () => {
  let server: RabbitServer

  beforeAll(async () => {
    server = await RabbitServer.start()
  })

  afterAll(() => server.dispose())

  describeJournal(
    { describe, it, beforeEach, afterEach },
    { name: 'amqp:', isShared: true, makePlace: () => Promise.resolve(new RabbitPlace(server)) },
  )
})
