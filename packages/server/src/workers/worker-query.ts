/**
 * One query to every worker: collects the replies that arrive within a timeout. A worker that does not answer in time,
 * because it is busy or about to end, is left out.
 */
import type { ForkedWorker } from './forked-worker.js'
import type { Member } from './generations-options.js'
import type { WorkerAnswers } from './messages.js'

const ANSWER_TIMEOUT_MS = 500

export interface WorkerReplies<Content> {
  readonly asked: number
  readonly answers: readonly { readonly member: Member<ForkedWorker>; readonly content: Content }[]
}

export interface WorkerQueryOptions {
  readonly content?: unknown
  /** Which workers are asked. Default: all. */
  readonly fits?: (member: Member<ForkedWorker>) => boolean
  /** Default: 500. */
  readonly timeoutMs?: number
}

export class WorkerQuery {
  readonly #members: () => Iterable<Member<ForkedWorker>>
  readonly #isSilent: (member: Member<ForkedWorker>) => boolean

  /** `isSilent`: a worker that gives no sign of life counts as one that did not answer, and nobody waits for it. */
  constructor(
    members: () => Iterable<Member<ForkedWorker>>,
    isSilent: (member: Member<ForkedWorker>) => boolean = () => false,
  ) {
    this.#members = members
    this.#isSilent = isSilent
  }

  /** How many of those who listen give no sign of life. */
  get silentCount(): number {
    return [...this.#members()].filter((member) => member.isReady && this.#isSilent(member)).length
  }

  /** Only those who listen, or did, are asked. */
  async ask<About extends keyof WorkerAnswers>(
    about: About,
    { content, fits = () => true, timeoutMs = ANSWER_TIMEOUT_MS }: WorkerQueryOptions = {},
  ): Promise<WorkerReplies<WorkerAnswers[About]>> {
    const members = [...this.#members()].filter((member) => member.isReady && fits(member))
    const answers = await Promise.all(
      members.map(async (member) => {
        if (this.#isSilent(member)) return []
        const { rpc } = member.process
        try {
          return [{ member, content: await rpc.ask(about, { content, timeoutMs }) }]
        } catch {
          // The caller counts who is missing.
          return []
        }
      }),
    )
    return { asked: members.length, answers: answers.flat() }
  }
}
