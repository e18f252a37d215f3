/**
 * The roll call: asks every worker the same, and takes what has come after a moment. Who does not answer in time, because it
 * is busy or about to end, is left out.
 */
import type { ForkedWorker } from './forked-worker.js'
import type { Member } from './generations.js'
import type { WorkerAnswers } from './messages.js'

const ANSWER_TIMEOUT_MS = 500

export interface RollCall<Content> {
  readonly asked: number
  readonly answers: readonly { readonly member: Member<ForkedWorker>; readonly content: Content }[]
}

export interface RollCallOptions {
  readonly content?: unknown
  /** Who is asked. Default: all. */
  readonly fits?: (member: Member<ForkedWorker>) => boolean
  /** Default: 500. */
  readonly timeoutMs?: number
}

export class Roll {
  readonly #members: () => Iterable<Member<ForkedWorker>>

  constructor(members: () => Iterable<Member<ForkedWorker>>) {
    this.#members = members
  }

  /** Only those who listen, or did, are asked. */
  async call<About extends keyof WorkerAnswers>(
    about: About,
    { content, fits = () => true, timeoutMs = ANSWER_TIMEOUT_MS }: RollCallOptions = {},
  ): Promise<RollCall<WorkerAnswers[About]>> {
    const members = [...this.#members()].filter((member) => member.isReady && fits(member))
    const answers = await Promise.all(
      members.map(async (member) => {
        const { questions } = member.process
        try {
          return [{ member, content: await questions.ask(about, { content, timeoutMs }) }]
        } catch {
          // The caller counts who is missing.
          return []
        }
      }),
    )
    return { asked: members.length, answers: answers.flat() }
  }
}
