/**
 * The encoding of all WebSocket connections: one frame serves all recipients, and a fan-out writes to the sockets directly,
 * because the work per connection dominates its cost.
 */
import type { Duplex } from 'node:stream'
import {
  MEMBERS_A_STEP,
  type FanOutGroup,
  type FanOutPass,
  type GroupMember,
  type TransportEncoding,
} from '../connections/encoding.js'
import { invariant } from '../invariant.js'
import { decodeTextFrame, encodeTextFrame } from './frame.js'

/** A transport whose socket accepts these frames unchanged. */
export abstract class SocketTransport {
  readonly encoding = WEBSOCKET_ENCODING
  /** No frame may be written after `onClosing`. */
  abstract readonly sink: Duplex
}

const NONE: readonly never[] = []

class SocketGroup<Member extends GroupMember> implements FanOutGroup<Member> {
  readonly #sockets = new Map<Member, Duplex>()

  get size(): number {
    return this.#sockets.size
  }

  [Symbol.iterator](): Iterator<Member> {
    return this.#sockets.keys()
  }

  add(member: Member): void {
    const { transport } = member
    invariant(transport instanceof SocketTransport, 'the members of a group have its encoding')
    this.#sockets.set(member, transport.sink)
  }

  remove(member: Member): boolean {
    return this.#sockets.delete(member)
  }

  write(frames: Buffer, pass?: FanOutPass<Member>): readonly Member[] {
    let full: Member[] | undefined
    let count = 0
    let isOver = false
    for (const [member, socket] of this.#sockets) {
      if (pass && count++ % MEMBERS_A_STEP === MEMBERS_A_STEP - 1) isOver ||= pass.isOver()
      if (pass && isOver) {
        pass.left.push(member)
        continue
      }
      if (!(socket.writable && socket.write(frames))) (full ??= []).push(member)
    }
    return full ?? NONE
  }
}

export const WEBSOCKET_ENCODING: TransportEncoding = {
  name: 'websocket',
  encode: encodeTextFrame,
  decode: decodeTextFrame,
  createGroup: <Member extends GroupMember>() => new SocketGroup<Member>(),
}
