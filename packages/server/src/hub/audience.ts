/**
 * Audiences: all connections that are in the same channels and read the same language. They get the same bytes, so a
 * batch is joined once per audience and not once per connection.
 */
import { type Locale } from '@lastcall/protocol'
import type { FrameSink, Transport } from '../connections/transport.js'

/** What an audience asks of its members. */
export interface AudienceMember {
  readonly transport: Pick<Transport, 'sink' | 'isOpen'>
}

/** What one hears. */
export interface AudienceView {
  readonly id: number
  readonly channels: ReadonlySet<string>
  readonly locale: Locale
}

export class Audience<Member extends AudienceMember> implements AudienceView {
  readonly id: number
  readonly key: string
  readonly locale: Locale
  readonly channels: ReadonlySet<string>
  /** Those that are written to live, and where. */
  readonly live = new Map<Member, FrameSink>()
  /** All of them, with those that are catching up. */
  size = 0

  constructor(id: number, key: string, locale: Locale, channels: ReadonlySet<string>) {
    this.id = id
    this.key = key
    this.locale = locale
    this.channels = channels
  }

  /** From here on it is written to live, unless it is closing. */
  goLive(member: Member): void {
    if (member.transport.isOpen) this.live.set(member, member.transport.sink)
  }
}

/** All audiences, by their channels. */
export class Audiences<Member extends AudienceMember> {
  readonly #byKey = new Map<string, Audience<Member>>()
  readonly #byChannel = new Map<string, Set<Audience<Member>>>()
  #nextId = 1

  /** The audience of these channels and this language, with one member more. Not live yet. */
  enter(channels: Iterable<string>, locale: Locale): Audience<Member> {
    const sorted = [...new Set(channels)].sort()
    const key = `${locale} ${sorted.join(' ')}`
    let audience = this.#byKey.get(key)
    if (!audience) {
      audience = new Audience<Member>(this.#nextId++, key, locale, new Set(sorted))
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
    audience.live.delete(member)
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

  /** How many connections are in a channel. */
  countIn(channel: string): number {
    let count = 0
    for (const audience of this.of(channel)) count += audience.size
    return count
  }
}

const EMPTY: ReadonlySet<never> = new Set<never>()
