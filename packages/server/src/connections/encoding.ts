/**
 * How one kind of transport turns texts into bytes, and how many of its connections are written to at once. It belongs to
 * the transport, so that several kinds can live beside each other.
 */

/** One object for all connections of a kind: encodings are compared by identity. */
export interface TransportEncoding {
  /** Unique among the encodings of a process, without spaces. */
  readonly name: string
  /** Makes one frame of a text. */
  encode(text: string): Buffer
  /** The text of a frame that `encode` made. */
  decode(frame: Buffer): string
  /** An empty group for connections of this kind. */
  createGroup<Member extends GroupMember>(): FanOutGroup<Member>
}

/** What a group asks of a member. */
export interface GroupMember {
  readonly transport: {
    readonly isOpen: boolean
    readonly isFull: boolean
    write(frames: Buffer): void
  }
}

/** One write to a group, which ends when it has taken long enough. */
export interface FanOutPass<Member> {
  /** Whether the members that are left must wait. Asked now and then. */
  isOver(): boolean
  /** The members that were not written to. */
  readonly left: Member[]
}

/** How many members are written to before a pass is asked whether it is over. A power of two. */
export const MEMBERS_A_STEP = 256

/** Connections that are written to at once. */
export interface FanOutGroup<Member> extends Iterable<Member> {
  readonly size: number
  add(member: Member): void
  /** `false`: it was not in the group. */
  remove(member: Member): boolean
  /**
   * Writes the same frames to every member, or to as many as the pass has time for.
   *
   * @returns the members that take no more without queueing (the frames were taken), and those that have vanished.
   */
  write(frames: Buffer, pass?: FanOutPass<Member>): readonly Member[]
}

const NONE: readonly never[] = []

/** A group for any transport: one call of `write` for each member. */
class WriteGroup<Member extends GroupMember> implements FanOutGroup<Member> {
  readonly #members = new Set<Member>()

  get size(): number {
    return this.#members.size
  }

  [Symbol.iterator](): Iterator<Member> {
    return this.#members.values()
  }

  add(member: Member): void {
    this.#members.add(member)
  }

  remove(member: Member): boolean {
    return this.#members.delete(member)
  }

  write(frames: Buffer, pass?: FanOutPass<Member>): readonly Member[] {
    let full: Member[] | undefined
    let count = 0
    let isOver = false
    for (const member of this.#members) {
      if (pass && count++ % MEMBERS_A_STEP === MEMBERS_A_STEP - 1) isOver ||= pass.isOver()
      if (pass && isOver) {
        pass.left.push(member)
        continue
      }
      const { transport } = member
      transport.write(frames)
      if (transport.isFull || !transport.isOpen) (full ??= []).push(member)
    }
    return full ?? NONE
  }
}

/** The bytes of a text in UTF-8, for transports that frame by themselves. */
export const UTF8_ENCODING: TransportEncoding = {
  name: 'utf8',
  encode: (text) => Buffer.from(text),
  decode: (frame) => frame.toString(),
  createGroup: <Member extends GroupMember>() => new WriteGroup<Member>(),
}
