/**
 * What one client said: every message has one place, the one that it was told; the places are in the order in which it was
 * said; and what is given up, is so for a reason.
 */

/**
 * @param truths Of each line.
 * @param complete At the end nothing may be open.
 */
export function checkPublisher(client, covered, truths, { complete }, report) {
  const bad = (kind, text, index) => report.add(kind, `${client.name}: ${text}`, index)
  truths.forEach((truth, at) => checkOrder(client, truth, truths.slice(0, at), bad))
  for (const publish of client.publishes.values()) {
    const { id } = publish
    const places = truths.flatMap((truth) => truth.placesOf(client.name, id))
    const outcomes = client.outcomes.get(id) ?? []
    if (outcomes.length > 1) bad('settled-twice', `${id} was answered ${outcomes.length} times`, outcomes[1].index)
    const [outcome] = outcomes
    if (!outcome && complete) bad('unsettled', `${id} was never answered`, publish.index)
    if (outcome?.type === 'settled' && !places.includes(outcome.offset)) {
      bad(
        'wrong-offset',
        `${id} was settled at ${outcome.offset}, it is at ${places.join() || 'no place'}`,
        outcome.index,
      )
    }
    if (outcome?.type === 'rejected') checkRejection(outcome, client, covered, bad)
  }
}

/** The places of one line are in the order in which was said what stands there. What is known from an earlier line is said again. */
function checkOrder(client, truth, earlier, bad) {
  const before = []
  for (const publish of client.publishes.values()) {
    const { id } = publish
    const [offset] = truth.placesOf(client.name, id)
    if (offset === undefined || earlier.some((other) => other.placesOf(client.name, id).length > 0)) continue
    const outcome = client.outcomes.get(id)?.[0]
    const last = before.findLast(
      (earlier) => earlier.offset > offset && !wasGivenUpBefore(earlier.outcome, sentAt(client, publish)),
    )
    if (last) bad('out-of-order', `${id} is at ${offset}, ${last.id}, said before it, at ${last.offset}`)
    before.push({ id, offset, outcome })
  }
}

/** When a message was sent for the first time. */
function sentAt({ connections }, publish) {
  const sent = connections.flatMap(({ frames }) =>
    frames.filter(({ type, id }) => type === 'send' && id === publish.id).map(({ index }) => index),
  )
  return Math.min(...sent, Infinity)
}

/** What was given up may still be on its way on an older connection, and arrive after what was sent since. */
const wasGivenUpBefore = (outcome, index) => outcome?.type === 'rejected' && outcome.index < index

/** Nobody knows: only after the server has said that something is out of reach, and if no ack had come. */
function checkRejection({ id, code, index }, { connections }, covered, bad) {
  const losses = covered
    .slice(1)
    .map(({ welcome }) => welcome)
    .filter((welcome) => welcome.recovered !== true)
  const loss = losses.findLast((welcome) => welcome.index < index)
  // The client decides at that welcome. An ack that comes behind it finds nobody waiting any more.
  const decidedAt = loss?.index ?? index
  const wasAcked = connections.some(({ frames }) =>
    frames.some((frame) => frame.type === 'ack' && frame.id === id && frame.index < decidedAt),
  )
  if (wasAcked) bad('gave-up', `${id} was acked, and is said to be ${code}`, index)
  if (code !== 'outcome_unknown' || !loss) bad('gave-up', `${id} was given up: ${code}`, index)
}
