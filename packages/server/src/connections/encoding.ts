/**
 * How one kind of transport encodes texts as bytes, and writes to many of its connections at once. The encoding belongs to the
 * transport, so that several kinds can coexist.
 */

/** One object for all connections of a kind: the server compares encodings by identity. */
export interface TransportEncoding {
  /** Unique among the encodings of a process, without spaces. */
  readonly name: string
  /** Encodes a text as one frame. */
  encode(text: string): Buffer
  /** The text of a frame that `encode` made. */
  decode(frame: Buffer): string
  /** An empty group for connections of this kind. */
  createGroup<Member extends GroupMember>(): FanOutGroup<Member>
}

/** The interface of a group's member. */
export interface GroupMember {
  readonly transport: {
    readonly isOpen: boolean
    readonly isFull: boolean
    write(frames: Buffer): void
  }
}

/** One write to a group, which stops when its time is used up. */
export interface FanOutPass<Member> {
  /** Whether the remaining members must wait. The group checks this now and then. */
  isOver(): boolean
  /** The members without a write so far. */
  readonly left: Member[]
}

/** The number of members between two checks whether a pass is over. A power of two. */
export const MEMBERS_A_STEP = 256

/** Connections that receive the same frames in one write. */
export interface FanOutGroup<Member> extends Iterable<Member> {
  readonly size: number
  add(member: Member): void
  /** `false`: it was not in the group. */
  remove(member: Member): boolean
  /**
   * Writes the same frames to every member, or to as many as the pass has time for.
   *
   * @returns the members whose sockets are full now (they accepted the frames), and those that have ended.
   */
  write(frames: Buffer, pass?: FanOutPass<Member>): readonly Member[]
}

const NONE: readonly never[] = []

/** A group for any transport: it calls `write` once for each member. */
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

/** The UTF-8 bytes of a text, for transports that frame by themselves. */
export const UTF8_ENCODING: TransportEncoding = {
  name: 'utf8',
  encode: (text) => Buffer.from(text),
  decode: (frame) => frame.toString(),
  createGroup: <Member extends GroupMember>() => new WriteGroup<Member>(),
}
