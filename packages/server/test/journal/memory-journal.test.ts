import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openJournal } from '../../src/journal/open-journal.js'
import { describeJournal, record, UNLIMITED } from '../../src/testing/index.js'

const NO_SERVER = 'the entries are an array of this process: nothing else can change them, and a call cannot be lost'

describeJournal(
  { describe, it, beforeEach, afterEach },
  {
    name: 'memory:',
    isShared: false,
    makePlace: () =>
      Promise.resolve({
        open: (options) => openJournal('memory:', options),
        dispose: () => Promise.resolve(),
      }),
    impossible: {
      rollOver: 'an array has no segments',
      save: NO_SERVER,
      cutOff: NO_SERVER,
      empty: NO_SERVER,
      outrun: 'listeners are called as soon as an entry is there: none can be behind',
      loseAnswer: NO_SERVER,
    },
  },
)

describe('memory:', () => {
  it('opens another journal each time', async () => {
    const [one, other] = [
      await openJournal('memory:', { retention: UNLIMITED }),
      await openJournal('memory:', { retention: UNLIMITED }),
    ]
    const epochs = [await record(one), await record(other)].map(({ epochs }) => epochs[0]?.epoch)
    expect(epochs[0]).not.toBe(epochs[1])
  })
})
