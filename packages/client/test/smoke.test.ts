import { expect, test } from 'vitest'
import { SUBPROTOCOL } from '../src/index.js'

test('stub', () => expect(SUBPROTOCOL).toBe('lastcall.v1'))
