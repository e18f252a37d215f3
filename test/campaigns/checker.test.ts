/**
 * The checker finds each kind of violation in a history that contains it, and none in a valid history.
 */
import { describe, expect, test } from 'vitest'
import { check } from '../../e2e/chaos/checker.js'
import type { Terms } from '../../e2e/chaos/history-events.js'
import { Story } from './story.js'

const kinds = (story: Story): string[] => [...new Set(check(story.file).map(({ kind }) => kind))].sort()

/** Anna and bob are connected. */
const both = (terms?: Partial<Terms>): Story => new Story(terms).come('anna').come('bob')

/** Anna has published a-1, a-2 and a-3, and bob has received them. */
const talk = (terms?: Partial<Terms>): Story => {
  const story = both(terms)
  for (const offset of [1, 2, 3]) {
    const id = `a-${offset}`
    story.says('anna', id).acked('anna', offset, id).told('bob', offset, id)
  }
  return story
}

/** Anna has published a-1, a-2 and a-3; bob received a-1 and disconnected. */
const missedTwo = (terms?: Partial<Terms>): Story => {
  const story = both(terms).says('anna', 'a-1').acked('anna', 1, 'a-1').told('bob', 1, 'a-1').close('bob')
  return story.says('anna', 'a-2').acked('anna', 2, 'a-2').says('anna', 'a-3').acked('anna', 3, 'a-3')
}

describe('the checker finds no violation', () => {
  test.each<[string, Story]>([
    ['in a conversation', talk()],
    [
      'when a client resumes and receives the missed messages',
      missedTwo().comeBack('bob', 1).told('bob', 2, 'a-2').told('bob', 3, 'a-3'),
    ],
    ['when a client does not reconnect', missedTwo()],
    [
      'when a presence entry lies between the retained messages',
      both({ historySize: 2, presence: true })
        .close('bob')
        .says('anna', 'a-1')
        .acked('anna', 2, 'a-1')
        .says('anna', 'a-2')
        .acked('anna', 3, 'a-2')
        .comeBack('bob', 0)
        .add({ type: 'presence', connection: 'bob#2', offset: 1, changes: [] })
        .told('bob', 2, 'a-1')
        .told('bob', 3, 'a-2'),
    ],
    [
      'when a library client abandons a connection that ends after the loss on the next one',
      both({ historySize: 1 })
        .add({ type: 'client', client: 'bob', kind: 'library' })
        .says('anna', 'a-1')
        .acked('anna', 1, 'a-1')
        .told('bob', 1, 'a-1')
        .delivered('bob', 1)
        .says('anna', 'a-2')
        .acked('anna', 2, 'a-2')
        .says('anna', 'a-3')
        .acked('anna', 3, 'a-3')
        .connect('bob', 'E:1')
        .welcome('bob', 'E:3', false)
        .add({ type: 'given-up', connection: 'bob#2' })
        .add({ type: 'closed', connection: 'bob#1', code: 1006 })
        .connect('bob', 'E:1')
        .welcome('bob', 'E:3', false)
        .add({ type: 'missed', client: 'bob', channels: ['lobby'] })
        .add({ type: 'closed', connection: 'bob#2', code: 1000 }),
    ],
    [
      'when the server acknowledges a repeated message again',
      talk().ack('anna', 1, 'a-1').close('anna').comeBack('anna', 3).ack('anna', 2, 'a-2'),
    ],
    [
      'when the server replays the missed acks first',
      both()
        .says('anna', 'a-1')
        .close('anna')
        .told('bob', 1, 'a-1')
        .comeBack('anna', 0)
        .acked('anna', 1, 'a-1')
        .pong('anna', 1),
    ],
    [
      'when the server answers `recovered: false` because of evicted entries',
      missedTwo({ historySize: 1 }).connect('bob', 'E:1').welcome('bob', 'E:3', false).pong('bob', 3),
    ],
    [
      'when the server answers `recovered: false` because of expired entries',
      missedTwo({ historyTtlMs: 1000 })
        .come('carl', 3)
        .says('anna', 'a-4')
        .acked('anna', 4, 'a-4')
        .told('carl', 4, 'a-4')
        .wait(2000)
        .connect('bob', 'E:1')
        .welcome('bob', 'E:4', false),
    ],
    [
      'when a cursor is malformed, or of another journal',
      talk()
        .close('bob')
        .connect('bob', 'X:1')
        .welcome('bob', 'E:3', false)
        .close('bob')
        .connect('bob', '?')
        .welcome('bob', 'E:3', false),
    ],
    [
      'when a retry arrives after the eviction of its message',
      talk({ historySize: 2 }).told('bob', 4, 'a-1').ack('anna', 4, 'a-1').pong('anna', 4),
    ],
    [
      'when an abandoned message arrives after later messages',
      both({ historySize: 1, instances: 2 })
        .says('anna', 'a-1')
        .connect('anna', 'E:0')
        .welcome('anna', 'E:2', false)
        .add({ type: 'rejected', client: 'anna', id: 'a-1', code: 'outcome_unknown' })
        .says('anna', 'a-2')
        .sends('anna', 'a-2')
        .told('bob', 3, 'a-2')
        .acked('anna', 3, 'a-2')
        .told('bob', 4, 'a-1')
        .ack('anna', 4, 'a-1'),
    ],
    [
      'when the server closes a slow client with 4008',
      missedTwo({ historySize: 1 })
        .come('carl', 3)
        .says('anna', 'a-4')
        .says('anna', 'a-5')
        .close('carl', 4008)
        .acked('anna', 4, 'a-4')
        .acked('anna', 5, 'a-5'),
    ],
    [
      'when the server has evicted the start of a replay and closes the client with 4008',
      missedTwo({ historySize: 3 })
        .come('carl', 3)
        .subscribe('carl', 'news', 'E:0')
        .says('anna', 'a-4')
        .close('carl', 4008)
        .acked('anna', 4, 'a-4'),
    ],
    [
      'when a client reports an unknown outcome after the eviction',
      both({ historySize: 1 })
        .says('anna', 'a-1')
        .close('anna')
        .says('bob', 'b-1')
        .acked('bob', 2, 'b-1')
        .says('bob', 'b-2')
        .acked('bob', 3, 'b-2')
        .connect('anna', 'E:0')
        .welcome('anna', 'E:3', false)
        .add({ type: 'rejected', client: 'anna', id: 'a-1', code: 'outcome_unknown' }),
    ],
    [
      'when a client unsubscribes from a channel and subscribes again',
      new Story()
        .come('anna', 0, ['news'])
        .come('bob', 0, ['news'])
        .says('anna', 'a-1', { channel: 'news' })
        .acked('anna', 1, 'a-1')
        .told('bob', 1, 'a-1')
        .unsubscribed('bob', 'news', 'E:1')
        .says('anna', 'a-2', { channel: 'news' })
        .acked('anna', 2, 'a-2')
        .subscribe('bob', 'news', 'E:1')
        .told('bob', 2, 'a-2')
        .subscribed('bob', 'news', 'E:2', true)
        .says('anna', 'a-3', { channel: 'news' })
        .acked('anna', 3, 'a-3')
        .told('bob', 3, 'a-3'),
    ],
    [
      'when a direct message waits for its recipient',
      both()
        .close('bob')
        .says('anna', 'a-1', { to: 'bob' })
        .acked('anna', 1, 'a-1')
        .comeBack('bob', 0)
        .told('bob', 1, 'a-1'),
    ],
  ])('%s', (_name, story) => {
    expect(check(story.file)).toEqual([])
  })
})

describe('the checker allows for the offsets of entries by instances', () => {
  const server = (story: Story, ...what: ('started' | 'stopped' | 'killed')[]): Story => {
    for (const each of what) story.add({ type: 'server', instance: 'server-1', what: each })
    return story
  }
  /** Two clients connected, and the journal contains `count` entries that no client received. */
  const untold = (count: number, story: Story): Story => story.come('anna').come('bob').pong('bob', count)
  const isUnexplained = (story: Story): boolean => kinds(story).includes('unexplained')

  test.each<[what: string, places: number, (count: number) => Story]>([
    ['three entries for a start', 3, (count) => untold(count, server(new Story(), 'started'))],
    ['two more entries for a stop', 8, (count) => untold(count, server(new Story(), 'started', 'stopped', 'started'))],
    ['no further entry for a kill', 6, (count) => untold(count, server(new Story(), 'started', 'killed', 'started'))],
    ['one more entry every ten seconds', 5, (count) => untold(count, server(new Story(), 'started').wait(20_000))],
  ])('%s', (_what, places, story) => {
    expect([isUnexplained(story(places)), isUnexplained(story(places + 1))]).toEqual([false, true])
  })
})

describe('the checker finds in the journal', () => {
  test.each<[string, string[], Story]>([
    [
      'two entries at one offset',
      ['disagreement'],
      talk()
        .says('anna', 'a-4')
        .acked('anna', 4, 'a-4')
        .come('carl', 3)
        .says('bob', 'b-1')
        .told('carl', 4, 'b-1')
        .acked('bob', 5, 'b-1'),
    ],
    ['one message at two offsets', ['twice'], talk().told('bob', 4, 'a-1').pong('anna', 3)],
    [
      'one message at two offsets while the first is retained',
      ['twice'],
      talk({ historySize: 3 }).told('bob', 4, 'a-1').pong('anna', 4),
    ],
    [
      'one message at three offsets, of which the later two are within the retained history',
      ['twice'],
      talk({ historySize: 2 }).told('bob', 4, 'a-1').told('bob', 5, 'a-1').pong('anna', 5),
    ],
    [
      'a message that no client published',
      ['invented'],
      talk().come('carl', 3).told('carl', 4, 'c-1').told('bob', 4, 'c-1'),
    ],
    ['an ack of a message that was not published', ['invented'], talk({ presence: true }).ack('bob', 4, 'b-1')],
    [
      'a message with other content',
      ['altered', 'disagreement'],
      both().says('anna', 'a-1').acked('anna', 1, 'a-1').told('bob', 1, 'a-1', { digest: 'other' }),
    ],
    ['a journal that was replaced', ['epoch'], talk().connect('carl').welcome('carl', 'X:3')],
    ['an offset without a known entry', ['unexplained'], talk().pong('bob', 4)],
  ])('%s', (_name, expected, story) => {
    expect(kinds(story)).toEqual(expect.arrayContaining(expected))
  })

  test('two clients that received the same messages in different orders', () => {
    const story = both()
      .come('carl')
      .says('anna', 'a-1')
      .acked('anna', 1, 'a-1')
      .says('bob', 'b-1')
      .acked('bob', 2, 'b-1')
    story.told('carl', 2, 'a-1').told('carl', 1, 'b-1')
    expect(kinds(story)).toEqual(expect.arrayContaining(['backwards', 'disagreement', 'twice']))
  })
})

describe('the checker finds on one connection', () => {
  test.each<[string, string[], Story]>([
    ['an entry twice', ['repeated'], talk().told('bob', 3, 'a-3')],
    [
      'an entry too late',
      ['backwards'],
      both()
        .says('anna', 'a-1')
        .acked('anna', 1, 'a-1')
        .says('anna', 'a-2')
        .acked('anna', 2, 'a-2')
        .told('bob', 2, 'a-2')
        .told('bob', 1, 'a-1'),
    ],
    [
      'an ack too late',
      ['backwards'],
      both()
        .says('anna', 'a-1')
        .told('bob', 1, 'a-1')
        .says('bob', 'b-1')
        .acked('bob', 2, 'b-1')
        .told('anna', 2, 'b-1')
        .acked('anna', 1, 'a-1'),
    ],
    ['a missing entry', ['lost', 'missing'], both().says('anna', 'a-1').acked('anna', 1, 'a-1').pong('bob', 1)],
    ['a replay without its first entry', ['lost', 'missing'], missedTwo().comeBack('bob', 1).told('bob', 3, 'a-3')],
    [
      'the last received entry again after a resume',
      ['half-served'],
      missedTwo().comeBack('bob', 1).told('bob', 1, 'a-1').told('bob', 2, 'a-2').told('bob', 3, 'a-3'),
    ],
    [
      'a missing ack',
      ['missing'],
      both().says('anna', 'a-1').told('bob', 1, 'a-1').close('anna').comeBack('anna', 0).pong('anna', 1),
    ],
    [
      'a missing direct message',
      ['lost', 'missing'],
      both().says('anna', 'a-1', { to: 'bob' }).acked('anna', 1, 'a-1').pong('bob', 1),
    ],
    [
      'a message of the client itself',
      ['not-concerned'],
      both().says('anna', 'a-1').acked('anna', 1, 'a-1').told('bob', 1, 'a-1').told('anna', 1, 'a-1'),
    ],
    [
      'a message of a channel that the client is not subscribed to',
      ['not-concerned'],
      talk()
        .come('carl', 3, ['news'])
        .says('carl', 'c-1', { channel: 'news' })
        .acked('carl', 4, 'c-1')
        .told('bob', 4, 'c-1'),
    ],
    [
      'a message after the unsubscribe',
      ['not-concerned'],
      talk().unsubscribed('bob', 'lobby', 'E:3').says('anna', 'a-4').acked('anna', 4, 'a-4').told('bob', 4, 'a-4'),
    ],
    [
      'a direct message for another client',
      ['disagreement'],
      both().come('carl').says('anna', 'a-1', { to: 'bob' }).acked('anna', 1, 'a-1').told('carl', 1, 'a-1'),
    ],
    [
      'an old message although the connection started anew',
      ['half-served'],
      missedTwo({ historySize: 1 }).connect('bob', 'E:1').welcome('bob', 'E:3', false).told('bob', 2, 'a-2'),
    ],
    ['a message before the welcome', ['before-welcome'], talk().connect('carl').told('carl', 3, 'a-3')],
    ['two welcomes', ['before-welcome'], talk().welcome('bob', 'E:3')],
    ['a message after the close', ['after-close'], talk().close('bob').told('bob', 3, 'a-3')],
    [
      'a start at another cursor than the requested one',
      ['wrong-start'],
      missedTwo().connect('bob', 'E:1').welcome('bob', 'E:2', true).told('bob', 3, 'a-3'),
    ],
  ])('%s', (_name, expected, story) => {
    expect(kinds(story)).toEqual(expect.arrayContaining(expected))
  })

  const left = (): Story =>
    new Story()
      .come('anna', 0, ['news'])
      .come('bob', 0, ['news'])
      .unsubscribed('bob', 'news', 'E:0')
      .says('anna', 'a-1', { channel: 'news' })
      .acked('anna', 1, 'a-1')
      .says('anna', 'a-2', { channel: 'news' })
      .acked('anna', 2, 'a-2')
      .subscribe('bob', 'news', 'E:0')

  test.each<[string, string[], Story]>([
    ['without an entry', ['lost', 'missing'], left().told('bob', 2, 'a-2').subscribed('bob', 'news', 'E:2', true)],
    [
      'an entry twice',
      ['repeated'],
      left().told('bob', 1, 'a-1').told('bob', 1, 'a-1').told('bob', 2, 'a-2').subscribed('bob', 'news', 'E:2', true),
    ],
    ['that ends in the middle', ['half-served'], left().told('bob', 1, 'a-1').subscribed('bob', 'news', 'E:2', false)],
    [
      'that the server refuses although it retains the entries',
      ['wrong-recovered'],
      left().subscribed('bob', 'news', 'E:2', false),
    ],
    ['without an answer to `since`', ['wrong-recovered'], left().subscribed('bob', 'news', 'E:2', null)],
  ])('a replay: %s', (_name, expected, story) => {
    expect(kinds(story)).toEqual(expect.arrayContaining(expected))
  })
})

describe('the checker finds a pretended recovery or loss', () => {
  test.each<[string, string[], Story]>([
    [
      'a recovery although the entries are evicted by number',
      ['pretended'],
      missedTwo({ historySize: 1 }).comeBack('bob', 1).told('bob', 2, 'a-2').told('bob', 3, 'a-3'),
    ],
    [
      'a recovery although the entries are evicted by age',
      ['pretended'],
      talk({ historyTtlMs: 1000 })
        .close('bob')
        .wait(60_000)
        .comeBack('bob', 0)
        .told('bob', 1, 'a-1')
        .told('bob', 2, 'a-2')
        .told('bob', 3, 'a-3'),
    ],
    [
      'a recovery with a cursor of another journal',
      ['epoch', 'pretended', 'wrong-start'],
      talk().close('bob').connect('bob', 'X:1').welcome('bob', 'E:1', true),
    ],
    [
      'a loss although the entries are retained',
      ['wrong-recovered'],
      missedTwo({ historySize: 2 }).connect('bob', 'E:1').welcome('bob', 'E:3', false),
    ],
    [
      'an answer to a client without a cursor',
      ['wrong-recovered'],
      talk().connect('carl').welcome('carl', 'E:3', false),
    ],
    [
      'no answer to a client with a cursor',
      ['wrong-recovered'],
      talk().close('bob').connect('bob', 'E:3').welcome('bob', 'E:3', null),
    ],
    [
      'a journal that has lost delivered entries',
      ['stale-start', 'wrong-recovered'],
      talk().close('bob').connect('bob', 'E:3').welcome('bob', 'E:2', false),
    ],
    [
      'a new client that starts in the past',
      ['stale-start'],
      talk().connect('carl').welcome('carl', 'E:1').told('carl', 2, 'a-2').told('carl', 3, 'a-3'),
    ],
    [
      'a close with 4008 of a client that was not slow',
      ['wrong-4008'],
      missedTwo({ historySize: 3 }).come('carl', 3).close('carl', 4008),
    ],
  ])('%s', (_name, expected, story) => {
    // Of what is in no journal nothing else can be said.
    const found = kinds(story)
    expect(expected.filter((kind) => kind !== 'epoch').filter((kind) => !found.includes(kind))).toEqual([])
  })
})

describe('the checker follows one client over all its connections', () => {
  test('a client that sends a cursor ahead of its received entries loses messages', () => {
    expect(kinds(missedTwo().comeBack('bob', 2).told('bob', 3, 'a-3'))).toEqual(['lost'])
  })

  test('a client that omits a channel when it resumes loses messages', () => {
    const story = new Story()
      .come('anna', 0, ['news'])
      .come('bob', 0, ['news'])
      .close('bob')
      .says('anna', 'a-1', { channel: 'news' })
      .acked('anna', 1, 'a-1')
      .comeBack('bob', 0)
      .pong('bob', 1)
    expect(kinds(story)).toEqual(['lost'])
  })

  const application = (): Story => {
    const story = both().add({ type: 'client', client: 'bob', kind: 'library' })
    for (const offset of [1, 2, 3]) {
      const id = `a-${offset}`
      story.says('anna', id).acked('anna', offset, id).told('bob', offset, id)
    }
    return story
  }
  const given = (...offsets: number[]): Story => {
    const story = application()
    for (const offset of offsets) story.delivered('bob', offset)
    return story
  }

  test('an application receives each delivered message once and in order', () => {
    expect(kinds(given(1, 2, 3))).toEqual([])
    expect(kinds(given(1, 2, 2, 3))).toEqual(['delivered-twice'])
    expect(kinds(given(1, 3, 2))).toEqual(['delivered-out-of-order'])
    expect(kinds(given(1, 3))).toEqual(['swallowed'])
    expect(kinds(given(1, 2, 3, 4))).toEqual(['invented'])
  })

  test('an application receives one report per loss, and none without a loss', () => {
    const lossy = (): Story => {
      const story = missedTwo({ historySize: 1 }).add({ type: 'client', client: 'bob', kind: 'library' })
      return story.delivered('bob', 1).connect('bob', 'E:1').welcome('bob', 'E:3', false)
    }
    const missed = (story: Story): Story => story.add({ type: 'missed', client: 'bob', channels: ['lobby'] })
    expect(kinds(missed(lossy()))).toEqual([])
    expect(kinds(lossy())).toEqual(['wrong-missed'])
    expect(kinds(missed(missed(lossy())))).toEqual(['wrong-missed'])
    expect(kinds(missed(given(1, 2, 3)))).toEqual(['wrong-missed'])
  })

  test('evicted entries at the target of a migration are no loss, because the library stays on its link', () => {
    const first = { connection: 'bob#1' }
    const stays = (): Story =>
      both({ historySize: 1 })
        .add({ type: 'client', client: 'bob', kind: 'library' })
        .says('anna', 'a-1')
        .says('anna', 'a-2')
        .acked('anna', 1, 'a-1')
        .acked('anna', 2, 'a-2')
        .connect('bob', 'E:0')
        .welcome('bob', 'E:2', false)
        .close('bob', 1000)
        .told('bob', 1, 'a-1', first)
        .told('bob', 2, 'a-2', first)
        .delivered('bob', 1)
    expect(kinds(stays().delivered('bob', 2))).toEqual([])
    expect(kinds(stays())).toEqual(['swallowed'])
    const missed = { type: 'missed', client: 'bob', channels: ['lobby'] } as const
    expect(kinds(stays().delivered('bob', 2).add(missed))).toEqual(['wrong-missed'])
  })
})

describe('the checker finds among the messages of one client', () => {
  test.each<[string, string[], Story]>([
    [
      'two messages in the wrong order',
      ['out-of-order'],
      both().says('anna', 'a-1').says('anna', 'a-2').acked('anna', 1, 'a-2').acked('anna', 2, 'a-1'),
    ],
    [
      'a message before an earlier one whose outcome the client reports as unknown only later',
      ['out-of-order'],
      both({ historySize: 1 })
        .says('anna', 'a-1')
        .says('anna', 'a-2')
        .sends('anna', 'a-2')
        .told('bob', 1, 'a-2')
        .acked('anna', 1, 'a-2')
        .close('anna')
        .connect('anna', 'E:0')
        .welcome('anna', 'E:1', false)
        .add({ type: 'rejected', client: 'anna', id: 'a-1', code: 'outcome_unknown' })
        .told('bob', 2, 'a-1')
        .ack('anna', 2, 'a-1'),
    ],
    ['a message that is never answered', ['unsettled'], talk().says('anna', 'a-4')],
    ['a message that is answered twice', ['settled-twice'], talk().settled('anna', 3, 'a-3')],
    [
      'an answer with another offset than the ack',
      ['wrong-offset'],
      both().says('anna', 'a-1').ack('anna', 1, 'a-1').settled('anna', 2, 'a-1'),
    ],
    ['an answer without an ack', ['wrong-offset'], both().says('anna', 'a-1').settled('anna', 1, 'a-1')],
    [
      'an unknown outcome without a reason',
      ['gave-up'],
      both().says('anna', 'a-1').add({ type: 'rejected', client: 'anna', id: 'a-1', code: 'outcome_unknown' }),
    ],
    [
      'an unknown outcome of an acknowledged message',
      ['gave-up'],
      both({ historySize: 1 })
        .says('anna', 'a-1')
        .ack('anna', 1, 'a-1')
        .close('anna')
        .connect('anna')
        .welcome('anna', 'E:1')
        .add({ type: 'rejected', client: 'anna', id: 'a-1', code: 'outcome_unknown' }),
    ],
  ])('%s', (_name, expected, story) => {
    expect(kinds(story)).toEqual(expect.arrayContaining(expected))
  })
})

test('a fault that the run itself recorded is a violation, too', () => {
  const story = talk()
    .add({ type: 'stuck', text: 'bob' })
    .add({ type: 'server', instance: 'server-1', what: 'fault', text: 'ended with 1' })
  expect(kinds(story)).toEqual(['fault', 'stuck'])
})

describe('after a broker has lost confirmed entries the checker', () => {
  const CLUSTER = { instances: 3, isRemote: true }
  /** Anna and bob are connected to server a and have received a-1 and a-2. The broker loses a-2. */
  const loss = (): Story =>
    both(CLUSTER)
      .says('anna', 'a-1')
      .acked('anna', 1, 'a-1')
      .told('bob', 1, 'a-1')
      .says('anna', 'a-2')
      .acked('anna', 2, 'a-2')
      .told('bob', 2, 'a-2')
      .lost('E', 1)
  /** Server a has detected the loss: every client starts anew. */
  const noticed = (story: Story): Story =>
    story
      .joined()
      .close('anna', 4008)
      .close('bob', 4008)
      .connect('anna', 'E:2')
      .welcome('anna', 'F:0', false)
      .connect('bob', 'E:2')
      .welcome('bob', 'F:0', false)

  test('finds nothing when every client learns of the loss', () => {
    const story = noticed(loss()).says('anna', 'a-3').acked('anna', 1, 'a-3').told('bob', 1, 'a-3')
    expect(kinds(story)).toEqual([])
  })

  /** Carl connects to server b, which had not read a-2, while server a is cut off. */
  const fork = (): Story =>
    loss().by('b').connect('carl').welcome('carl', 'E:1').says('carl', 'c-1').acked('carl', 2, 'c-1').pong('carl', 2)

  test('finds nothing when two servers contradict each other while one of them is cut off', () => {
    const story = noticed(fork()).close('carl', 4008).connect('carl', 'E:2').welcome('carl', 'F:0', false)
    expect(kinds(story)).toEqual([])
  })

  test('finds nothing when a client learns of its loss as soon as a server can know of it', () => {
    const moved = fork().close('bob').connect('bob', 'E:2').welcome('bob', 'E:2', true)
    const story = noticed(moved).close('carl', 4008).connect('carl', 'E:2').welcome('carl', 'F:0', false)
    expect(kinds(story)).toEqual([])
  })

  test('finds nothing when a server continues with messages published before the loss and appended after it', () => {
    const at = { saidAt: new Date(1).toISOString() }
    const story = both(CLUSTER).says('anna', 'a-1').says('anna', 'a-2').says('anna', 'a-3').lost('E', 1)
    story.acked('anna', 1, 'a-1').told('bob', 1, 'a-1').acked('anna', 2, 'a-2').told('bob', 2, 'a-2', at)
    story.by('b').comeBack('carl', 1).told('carl', 2, 'a-2', at)
    const moved = story.close('bob').comeBack('bob', 2).acked('anna', 3, 'a-3').told('bob', 3, 'a-3', at)
    expect(kinds(moved.told('carl', 3, 'a-3', at))).toEqual([])
  })

  test.each<{ what: string; epoch?: string; offset?: number }>([
    { what: 'goes back', epoch: 'E', offset: 0 },
    { what: 'is emptied' },
  ])('finds nothing when the journal $what before the first welcome', ({ epoch, offset }) => {
    const story = new Story({ instances: 1, isRemote: true }).connect('anna').lost(epoch, offset)
    story.welcome('anna', 'E:0').close('anna', 4010).connect('anna', 'E:0').welcome('anna', 'F:0', false)
    expect(kinds(story)).toEqual([])
  })

  test('finds nothing when a client reads the welcome of the lost journal after the close of another client', () => {
    const story = new Story({ instances: 1, isRemote: true }).connect('anna').welcome('anna', 'E:0').connect('bob')
    story.lost().close('anna', 4010).welcome('bob', 'E:0').close('bob', 4010)
    story
      .by('restarted')
      .connect('anna', 'E:0')
      .welcome('anna', 'F:0', false)
      .connect('bob', 'E:0')
      .welcome('bob', 'F:0', false)
    expect(kinds(story)).toEqual([])
  })

  test('finds nothing when a server that was behind appends a message published before the loss', () => {
    const story = both(CLUSTER).by('b').come('carl').says('carl', 'c-1').by('a')
    story.says('anna', 'a-1').acked('anna', 1, 'a-1').told('bob', 1, 'a-1').told('carl', 1, 'a-1')
    story.says('anna', 'a-2').acked('anna', 2, 'a-2').told('bob', 2, 'a-2').lost('E', 1)
    story.by('b').acked('carl', 2, 'c-1').pong('carl', 2)
    expect(kinds(noticed(story).close('carl', 4008).connect('carl', 'E:2').welcome('carl', 'F:0', false))).toEqual([])
  })

  test.each<[string, string[], Story]>([
    [
      'finds a server that continues with another log than the one it has read',
      ['fork'],
      fork().joined().says('anna', 'a-3').acked('anna', 3, 'a-3').told('bob', 3, 'a-3'),
    ],
    [
      'finds a client that never learns of its loss',
      ['pretended'],
      fork()
        .joined()
        .close('bob')
        .connect('bob', 'E:2')
        .welcome('bob', 'E:2', true)
        .close('anna', 4008)
        .connect('anna', 'E:2')
        .welcome('anna', 'E:2', false),
    ],
    [
      'finds a client that recovers from another journal',
      ['pretended'],
      noticed(loss()).connect('bob', 'E:2').welcome('bob', 'F:0', true),
    ],
    ['finds servers that stay on different lines', ['split'], noticed(fork())],
    [
      'finds two entries at one offset before the loss',
      ['disagreement'],
      fork().says('carl', 'c-2').connect('dora', 'E:0').welcome('dora', 'E:0', true).told('dora', 1, 'c-2'),
    ],
    [
      'finds a journal that is replaced without a loss',
      ['epoch'],
      talk(CLUSTER).close('bob', 4008).connect('bob', 'E:3').welcome('bob', 'F:0', false),
    ],
    [
      'finds two servers that contradict each other without a loss',
      ['disagreement'],
      talk(CLUSTER).by('b').says('anna', 'a-4').come('carl', 2).told('carl', 3, 'a-4'),
    ],
  ])('%s', (_name, expected, story) => {
    expect(kinds(story)).toEqual(expect.arrayContaining(expected))
  })
})

describe('with two connections of one client at a time, to servers on different lines,', () => {
  const OLDER = { connection: 'bob#1' }
  type Kind = 'plain' | 'library'

  /**
   * Anna publishes a-1 to a-3. Bob has a connection to server a, and a newer one to server b, which resumes at offset 1.
   * Anna's a-4 at offset 4 is then lost, and server a alone had read it.
   */
  const overlap = (older: readonly number[], newer: readonly number[], kind: Kind = 'plain'): Story => {
    const story = both({ instances: 2, isRemote: true }).add({ type: 'client', client: 'bob', kind })
    const publish = (offset: number): Story => story.says('anna', `a-${offset}`).acked('anna', offset, `a-${offset}`)
    const tell = (offset: number, some?: object): void => {
      story.told('bob', offset, `a-${offset}`, some)
      if (kind === 'library') story.delivered('bob', offset)
    }
    publish(1)
    tell(1, OLDER)
    publish(2)
    publish(3)
    story.by('b').comeBack('bob', 1)
    for (const offset of older) tell(offset, OLDER)
    for (const offset of newer) tell(offset)
    return story
  }

  /** Server a had read the lost entry, so it is on the lost line. Server b continues until it learns of the loss from server a. */
  const parted = (story: Story): Story => story.says('anna', 'a-4').acked('anna', 4, 'a-4').lost('E', 3)

  /** Bob resumes on server b behind the entries of both connections. Both servers begin a new epoch at the end. */
  const resumed = (story: Story, offset: number): Story =>
    story
      .add({ type: 'closed', ...OLDER, code: 4001 })
      .close('bob')
      .comeBack('bob', offset)
      .says('bob', 'b-1')
      .acked('bob', 4, 'b-1')

  const ended = (story: Story): Story =>
    story
      .joined()
      .close('anna', 4008)
      .close('bob', 4008)
      .connect('anna', 'E:4')
      .welcome('anna', 'F:0', false)
      .connect('bob', 'E:4')
      .welcome('bob', 'F:0', false)

  const missed = (story: Story): Story => story.add({ type: 'missed', client: 'bob', channels: ['lobby'] })

  test('an entry that the older connection alone delivered is not lost', () => {
    expect(kinds(ended(resumed(parted(overlap([2, 3], [])), 3)))).toEqual([])
    expect(kinds(ended(resumed(parted(overlap([2, 3], [2])), 3)))).toEqual([])
  })

  test('an entry that the newer connection alone delivered is not lost', () => {
    expect(kinds(ended(resumed(parted(overlap([], [2, 3])), 3)))).toEqual([])
  })

  test.each<[what: string, older: number[], newer: number[], expected: string[]]>([
    ['neither connection delivered', [2], [], ['lost']],
    ['the newer connection skipped, although the older one delivered it', [2], [3], ['missing']],
    ['the older connection skipped, although the newer one delivered it', [3], [2], ['missing']],
    ['both connections skipped', [3], [3], ['lost', 'missing']],
  ])('an entry that %s is found', (_what, older, newer, expected) => {
    expect(kinds(ended(resumed(parted(overlap(older, newer)), 3)))).toEqual(expected)
  })

  test('an entry of the lost line does not count as the entry that took its offset', () => {
    const story = parted(overlap([2, 3], [])).told('bob', 4, 'a-4', OLDER)
    story
      .add({ type: 'closed', ...OLDER, code: 1006 })
      .close('bob')
      .comeBack('bob', 3)
    story.by('b').connect('carl').welcome('carl', 'E:3').says('carl', 'c-1').acked('carl', 4, 'c-1')
    const all = ended(story.pong('bob', 4)).close('carl', 4008).connect('carl', 'E:4').welcome('carl', 'F:0', false)
    expect(kinds(all)).toEqual(['lost', 'missing'])
  })

  test('an application receives an entry once over both connections', () => {
    const once = (): Story => overlap([2, 3], [], 'library').told('bob', 2, 'a-2').told('bob', 3, 'a-3')
    expect(kinds(missed(ended(resumed(parted(once()), 3))))).toEqual([])
    expect(kinds(missed(ended(resumed(parted(overlap([2, 3], [2, 3], 'library')), 3))))).toEqual([
      'delivered-out-of-order',
      'delivered-twice',
    ])
    const swallowed = overlap([2], [], 'library').told('bob', 3, 'a-3', OLDER)
    expect(kinds(missed(ended(resumed(parted(swallowed), 3))))).toEqual(['swallowed'])
  })

  test('a library closes a newer connection that does not recover, on either line', () => {
    const declined = (): Story => {
      const story = both({ instances: 2, isRemote: true, historySize: 1 })
      story.add({ type: 'client', client: 'bob', kind: 'library' })
      for (const id of ['a-1', 'a-2', 'a-3']) story.says('anna', id).acked('anna', Number(id.slice(2)), id)
      story.by('b').connect('bob', 'E:0').welcome('bob', 'E:2', false).told('bob', 3, 'a-3').close('bob', 1000)
      for (const offset of [1, 2, 3]) story.told('bob', offset, `a-${offset}`, OLDER)
      return story.delivered('bob', 1).delivered('bob', 2)
    }
    const last = (story: Story): Story => missed(ended(parted(story).add({ type: 'closed', ...OLDER, code: 4008 })))
    expect(kinds(last(declined().delivered('bob', 3)))).toEqual([])
    expect(kinds(last(declined()))).toEqual(['swallowed'])
  })
})
