/**
 * Checks the messages of one client. Each message has one offset, which is the offset of its ack. The offsets are in the order
 * of publication. The client gives a message up only for a reason.
 */
import type { Terms } from '../history-events.js'
import type { Covered } from './connection.js'
import type { Client, Indexed, Outcome } from './reading.js'
import type { Report, ReportViolation } from './report.js'
import type { Truth } from './truth.js'

/**
 * @param truths Of each line.
 * @param terms `complete`: nothing may be open at the end.
 */
export function checkPublisher(
  client: Client,
  covered: readonly Covered[],
  truths: readonly Truth[],
  { complete }: Terms,
  report: Report,
): void {
  const bad: ReportViolation = (kind, text, index) => report.add(kind, `${client.name}: ${text}`, index)
  truths.forEach((truth, at) => checkOrder(client, truth, truths.slice(0, at), bad))
  for (const publish of client.publishes.values()) {
    const { id } = publish
    const places = truths.flatMap((truth) => truth.placesOf(client.name, id))
    const [outcome, second, ...more] = client.outcomes.get(id) ?? []
    if (second) bad('settled-twice', `${id} was answered ${2 + more.length} times`, second.index)
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

/**
 * The messages of one line stand in the order of their publication. A client publishes a message of an earlier line again, so
 * its place on this line proves nothing.
 */
function checkOrder(client: Client, truth: Truth, earlier: readonly Truth[], bad: ReportViolation): void {
  const before: { readonly id: string; readonly offset: number; readonly outcome: Outcome | undefined }[] = []
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
function sentAt({ connections }: Client, publish: Indexed<'publish'>): number {
  const sent = connections.flatMap(({ frames }) =>
    frames.flatMap((frame) => (frame.type === 'send' && frame.id === publish.id ? [frame.index] : [])),
  )
  return Math.min(...sent, Infinity)
}

/**
 * A message that the client has given up may still be on its way on an older connection, and arrive after messages that the
 * client has sent since.
 */
const wasGivenUpBefore = (outcome: Outcome | undefined, index: number): boolean =>
  outcome?.type === 'rejected' && outcome.index < index

/** The outcome is unknown only if the server has said that entries are out of reach, and if no ack had arrived before. */
function checkRejection(
  { id, code, index }: Indexed<'rejected'>,
  { connections }: Client,
  covered: readonly Covered[],
  bad: ReportViolation,
): void {
  const losses = covered
    .slice(1)
    .map(({ welcome }) => welcome)
    .filter((welcome) => welcome.recovered !== true)
  const loss = losses.findLast((welcome) => welcome.index < index)
  // The client decides at that welcome. It waits for no ack that arrives later.
  const decidedAt = loss?.index ?? index
  const wasAcked = connections.some(({ frames }) =>
    frames.some((frame) => frame.type === 'ack' && frame.id === id && frame.index < decidedAt),
  )
  if (wasAcked) bad('gave-up', `${id} was acked, and is said to be ${code}`, index)
  if (code !== 'outcome_unknown' || !loss) bad('gave-up', `${id} was given up: ${code}`, index)
}
