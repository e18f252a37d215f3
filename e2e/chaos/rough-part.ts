/**
 * The first part of a run, for some seconds: the clients publish and act in unusual ways, while servers, lines and the broker have
 * faults.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CampaignClient } from './campaign-client.js'
import type { Disasters } from './disasters.js'
import type { Plan } from './plan.js'
import type { Random } from './random.js'

/** An action that is repeated; it draws from this stream. */
type Action = (stream: Random) => void | Promise<void>

export interface RoughPartOptions {
  readonly random: Random
  readonly plan: Plan
  readonly seconds: number
  readonly disasters: Disasters
  /** Those that publish. */
  readonly clients: readonly CampaignClient[]
}

/** Resolves when the time is over and no action is running. */
export async function beRough({ random, plan, seconds, disasters, clients: talkers }: RoughPartOptions): Promise<void> {
  const until = performance.now() + seconds * 1000
  const isOver = (): boolean => performance.now() >= until
  const again = async (averageMs: number, stream: Random, action: Action): Promise<void> => {
    for (;;) {
      // Never later than the end, so that the run does not wait for it.
      await sleep(Math.min(stream.magnitude(averageMs / 4, averageMs * 2), Math.max(1, until - performance.now())))
      if (isOver()) return
      await action(stream)
    }
  }
  for (const client of talkers) {
    for (let count = 0; count < plan.openingCount; count++) client.publish({ channel: 'lobby' }, count)
  }
  await Promise.all([
    ...talkers.map((client) =>
      again(plan.pauseMs, random.fork(`says ${client.name}`), (stream) => say(client, talkers, stream, plan)),
    ),
    ...talkers.map((client) =>
      again(plan.whimMs, random.fork(`whims ${client.name}`), (stream) => haveWhim(client, talkers, stream, plan)),
    ),
    again(plan.disasterMs, random.fork('disasters'), (stream) => disasters.strikeServer(stream)),
    plan.brokerMs !== undefined &&
      again(plan.brokerMs, random.fork('broker'), (stream) => disasters.strikeBroker(stream)),
    plan.lineMs !== undefined &&
      again(plan.lineMs, random.fork('lines of servers'), (stream) => disasters.strikeLine(stream)),
    // A server that starts over a slow line would need minutes to read the messages of a flood.
    sleep(seconds * 1000).then(() => disasters.calmLines()),
  ])
}

function say(
  client: CampaignClient,
  clients: readonly CampaignClient[],
  random: Random,
  { isFlooded, openingCount }: Plan,
): void {
  const where =
    random.chance(0.2) && clients.length > 1
      ? { to: random.pick(clients.filter((other) => other !== client)).name }
      : { channel: random.pick(client.speaksIn) }
  const isFlood = isFlooded && random.chance(0.01)
  const many = openingCount > 0 ? 3 : 30
  for (let count = isFlood ? 300 : random.chance(0.1) ? random.between(2, many) : 1; count > 0; count--) {
    client.publish(where, { filler: 'x'.repeat(isFlood ? 40_000 : random.magnitude(1, 3000)), n: random.below(1e9) })
  }
}

/** An unusual action of a client. */
function haveWhim(client: CampaignClient, clients: readonly CampaignClient[], random: Random, plan: Plan): void {
  const whim = random.weighted({
    leave: 4,
    takeOver: plan.terms.instances > 1 ? 6 : 2,
    stopReading: 3,
    join: 4,
    part: 4,
  })
  switch (whim) {
    case 'leave':
      client.leave(random.magnitude(1, 3000), random.chance(0.5))
      break
    case 'takeOver':
      client.takeOver()
      // A client with two connections may publish on both.
      say(client, clients, random, plan)
      break
    case 'stopReading':
      client.stopReading(random.magnitude(50, 2500))
      break
    case 'join':
      if (client.toggles) client.join(client.toggles)
      break
    case 'part':
      if (client.toggles) client.part(client.toggles)
  }
}
