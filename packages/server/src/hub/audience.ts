/**
 * Audiences: all subscribers with the same channels, the same language and the same encoding. They get the same bytes, so
 * a batch is joined once per audience and not once per subscriber.
 */
import type { Locale } from '@lastcall/protocol'
import { UTF8_ENCODING, type FanOutGroup, type GroupMember, type TransportEncoding } from '../connections/encoding.js'

/** What an audience gets of the journal. */
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
  /** The members that are written to live. */
  readonly live: FanOutGroup<Member>
  /** All members, with those that are catching up. */
  size = 0

  constructor(key: string, { id, locale, channels, encoding }: AudienceView) {
    this.id = id
    this.key = key
    this.locale = locale
    this.channels = channels
    this.encoding = encoding
    this.live = encoding.createGroup<Member>()
  }

  /** From here on the member is written to live, unless it is closing. */
  goLive(member: Member): void {
    if (member.transport.isOpen) this.live.add(member)
  }
}

/** All audiences, by their channels. */
export class Audiences<Member extends GroupMember> {
  readonly #byKey = new Map<string, Audience<Member>>()
  readonly #byChannel = new Map<string, Set<Audience<Member>>>()
  #nextId = 1

  /** The audience of these channels, this language and this encoding, with one member more. Not live yet. */
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

  /** One member less; an audience of nobody is forgotten. */
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

  /** The audiences that a channel's entries concern. */
  of(channel: string): ReadonlySet<Audience<Member>> {
    return this.#byChannel.get(channel) ?? EMPTY
  }

  /** All of them. */
  all(): Iterable<Audience<Member>> {
    return this.#byKey.values()
  }
}

const EMPTY: ReadonlySet<never> = new Set<never>()
