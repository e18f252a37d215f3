/**
 * An audience is all subscribers with the same channels, language and encoding. Its members get the same bytes, so the
 * server joins the frames of a batch once per audience and not once per subscriber.
 */
import type { Locale } from '@lastcall/protocol'
import { UTF8_ENCODING, type FanOutGroup, type GroupMember, type TransportEncoding } from '../connections/encoding.js'

/** What determines the bytes that an audience gets of the journal. */
export interface AudienceView {
  readonly id: number
  readonly channels: ReadonlySet<string>
  readonly locale: Locale
  readonly encoding: TransportEncoding
}

export class Audience<Member extends GroupMember> implements AudienceView {
  readonly id: number
  readonly key: string
  readonly locale: Locale
  readonly channels: ReadonlySet<string>
  readonly encoding: TransportEncoding
  /** The members to which the server writes each batch at once. */
  readonly live: FanOutGroup<Member>
  /** The number of members, including those that are catching up. */
  size = 0

  constructor(key: string, { id, locale, channels, encoding }: AudienceView) {
    this.id = id
    this.key = key
    this.locale = locale
    this.channels = channels
    this.encoding = encoding
    this.live = encoding.createGroup<Member>()
  }

  /** Adds the member to `live`. A member whose connection is closing stays out. */
  goLive(member: Member): void {
    if (member.transport.isOpen) this.live.add(member)
  }
}

/** All audiences, indexed by channel. */
export class Audiences<Member extends GroupMember> {
  readonly #byKey = new Map<string, Audience<Member>>()
  readonly #byChannel = new Map<string, Set<Audience<Member>>>()
  #nextId = 1

  /**
   * Counts one more member in the audience of these channels, this language and this encoding, and returns the
   * audience. The caller calls `goLive` when the member has caught up.
   */
  enter(channels: Iterable<string>, locale: Locale, encoding = UTF8_ENCODING): Audience<Member> {
    const sorted = [...new Set(channels)].sort()
    const key = `${encoding.name} ${locale} ${sorted.join(' ')}`
    let audience = this.#byKey.get(key)
    if (!audience) {
      audience = new Audience<Member>(key, { id: this.#nextId++, locale, channels: new Set(sorted), encoding })
      this.#byKey.set(key, audience)
      for (const channel of sorted) {
        const audiences = this.#byChannel.get(channel)
        if (audiences) audiences.add(audience)
        else this.#byChannel.set(channel, new Set([audience]))
      }
    }
    audience.size++
    return audience
  }

  /** Removes a member, and the audience with its last member. */
  leave(audience: Audience<Member>, member: Member): void {
    audience.live.remove(member)
    if (--audience.size > 0) return
    this.#byKey.delete(audience.key)
    for (const channel of audience.channels) {
      const audiences = this.#byChannel.get(channel)
      audiences?.delete(audience)
      if (audiences?.size === 0) this.#byChannel.delete(channel)
    }
  }

  /** The audiences with at least one member in this channel. */
  of(channel: string): ReadonlySet<Audience<Member>> {
    return this.#byChannel.get(channel) ?? EMPTY
  }

  all(): Iterable<Audience<Member>> {
    return this.#byKey.values()
  }
}

const EMPTY: ReadonlySet<never> = new Set<never>()
