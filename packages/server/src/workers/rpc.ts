/**
 * Remote calls over a channel that only carries messages. Each call ends with its answer or with a timeout.
 */
import type { Clock } from '../clock.js'
import type { Answer, Question } from './messages.js'

interface Waiting {
  readonly resolve: (content: unknown) => void
  readonly reject: (error: Error) => void
  readonly stopWaiting: () => void
}

/** @typeParam Answers The queries, each with the type of its answer. */
export class RpcChannel<Answers> {
  readonly #send: (question: Question<keyof Answers & string>) => void
  readonly #clock: Clock
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0

  constructor(send: (question: Question<keyof Answers & string>) => void, clock: Clock) {
    this.#send = send
    this.#clock = clock
  }

  /** Rejects when no answer arrives in time, and when the other side answers with an error. */
  ask<About extends keyof Answers & string>(
    about: About,
    { content, timeoutMs }: { content?: unknown; timeoutMs: number },
  ): Promise<Answers[About]> {
    const id = ++this.#lastId
    return new Promise<unknown>((resolve, reject) => {
      const stopWaiting = this.#clock.after(timeoutMs, () => {
        this.#waiting.delete(id)
        reject(new Error(`no answer about ${about} within ${String(timeoutMs)} ms`))
      })
      this.#waiting.set(id, { resolve, reject, stopWaiting })
      this.#send({ kind: 'question', id, about, content })
    }) as Promise<Answers[About]>
  }

  /** Settles the call of an answer. A late or unknown answer is ignored. */
  answered({ id, content, error }: Answer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.stopWaiting()
    if (error === undefined) waiting?.resolve(content)
    else waiting?.reject(new Error(error))
  }

  /** Rejects all pending calls: the other side has ended. */
  giveUp(): void {
    for (const id of [...this.#waiting.keys()]) this.answered({ kind: 'answer', id, error: 'the other side has gone' })
  }
}

/** Answers a query of the other side. */
export function answer<Answers>(
  { id, about, content }: Question,
  answers: { readonly [About in keyof Answers]: (content: unknown) => Answers[About] | Promise<Answers[About]> },
  send: (answer: Answer) => void,
): void {
  const find = async (): Promise<unknown> => {
    if (!Object.hasOwn(answers, about)) throw new Error(`nothing is known of ${about}`)
    return answers[about as keyof Answers](content)
  }
  find().then(
    (found) => send({ kind: 'answer', id, content: found }),
    (error: unknown) => send({ kind: 'answer', id, error: error instanceof Error ? error.message : String(error) }),
  )
}
