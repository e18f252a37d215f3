import { describe, expect, it } from 'vitest'
import { openJournal } from '../../src/journal/open-journal.js'
import { describeJournal, UNLIMITED } from './journal-contract.js'
import { record } from './recorder.js'

describeJournal('memory:', () =>
  Promise.resolve({
    open: (options) => openJournal('memory:', options),
    dispose: () => Promise.resolve(),
  }),
)

describe('memory:', () => {
  it('is another journal each time it is opened', async () => {
    const [one, other] = [
      await openJournal('memory:', { retention: UNLIMITED }),
      await openJournal('memory:', { retention: UNLIMITED }),
    ]
    const epochs = [await record(one), await record(other)].map(({ epochs }) => epochs[0]?.epoch)
    expect(epochs[0]).not.toBe(epochs[1])
  })
})
