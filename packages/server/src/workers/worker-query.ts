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
  /** Selects the workers. Default: all. */
  readonly fits?: (member: Member<ForkedWorker>) => boolean
  /** In milliseconds. Default: 500. */
  readonly timeoutMs?: number
}

export class WorkerQuery {
  readonly #members: () => Iterable<Member<ForkedWorker>>
  readonly #isSilent: (member: Member<ForkedWorker>) => boolean

  /**
   * `isSilent`: a worker that does not answer liveness checks counts as one without an answer, and the query does not wait for
   * it.
   */
  constructor(
    members: () => Iterable<Member<ForkedWorker>>,
    isSilent: (member: Member<ForkedWorker>) => boolean = () => false,
  ) {
    this.#members = members
    this.#isSilent = isSilent
  }

  /** How many listening workers do not answer liveness checks. */
  get silentCount(): number {
    return [...this.#members()].filter((member) => member.isReady && this.#isSilent(member)).length
  }

  /** The query reaches only workers that listen or have listened. */
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
          // The caller counts the missing replies.
          return []
        }
      }),
    )
    return { asked: members.length, answers: answers.flat() }
  }
}
