/**
 * The commands of a journal's stream over one link, with their replies as values. The id of an entry is `EPOCH-OFFSET`:
 * Redis assigns offsets without gaps, and refuses a writer that is still in an older epoch.
 */
import { StreamBroken } from './redis-problems.js'
import type { StreamPlace } from './log-matching.js'
import { replyCode, type Argument, type RedisLink } from './redis-link.js'

/** An entry in the stream. */
export interface StoredEntry extends StreamPlace {
  /** `undefined`: another program has written it. */
  readonly bytes: Buffer | undefined
}

/** The name has one letter, because Redis stores it with every entry. */
const FIELD = 'e'
const FIELD_BYTE = FIELD.charCodeAt(0)
/** An id that is never free. Redis checks everything else before it refuses it. */
const TAKEN_ID = '0-1'

/** Whether Redis refused an id because it is not greater than all before it. */
const isIdTaken = (error: unknown): boolean =>
  replyCode(error) === 'ERR' && String(error).includes('equal or smaller than the target stream top item')

export class RedisStream {
  readonly link: RedisLink
  readonly #key: string

  constructor(link: RedisLink, key: string) {
    this.link = link
    this.#key = key
  }

  /** The newest id that was ever assigned, even if its entry was trimmed. `undefined`: the key does not exist. */
  async head(): Promise<StreamPlace | undefined> {
    let reply: unknown
    try {
      reply = await this.link.call(['XINFO', 'STREAM', this.#key])
    } catch (error) {
      if (replyCode(error) === 'ERR' && String(error).includes('no such key')) return undefined
      throw error
    }
    const fields = listOf(reply)
    const index = fields.findIndex((field) => String(field) === 'last-generated-id')
    return placeOf(fields[index + 1])
  }

  /** The entry at this place. `undefined`: the stream does not retain it. */
  async at({ epoch, offset }: StreamPlace): Promise<StoredEntry | undefined> {
    const id = `${epoch}-${offset}`
    return entriesOf(await this.link.call(['XRANGE', this.#key, id, id]))[0]
  }

  /** The oldest retained entry of an epoch. */
  async firstOf(epoch: string): Promise<StoredEntry | undefined> {
    const reply = await this.link.call(['XRANGE', this.#key, `${epoch}-1`, epoch, 'COUNT', '1'])
    return entriesOf(reply)[0]
  }

  /** At most `count` entries of an epoch from `offset` on backwards. The newest is first. */
  async backwards({ epoch, offset }: StreamPlace, count: number): Promise<StoredEntry[]> {
    const args = ['XREVRANGE', this.#key, `${epoch}-${offset}`, `${epoch}-1`, 'COUNT', String(count)]
    return entriesOf(await this.link.call(args))
  }

  /** At most `count` entries after this place, of any epoch. Waits for the first one for `blockMs` at most. */
  async after(
    { epoch, offset }: StreamPlace,
    count: number,
    blockMs: number,
    timeoutMs: number,
  ): Promise<StoredEntry[]> {
    const options = ['COUNT', String(count), 'BLOCK', String(blockMs)]
    const reply = await this.link.call(
      ['XREAD', ...options, 'STREAMS', this.#key, `${epoch}-${offset}`],
      blockMs + timeoutMs,
    )
    if (reply === null) return []
    const [stream] = listOf(reply)
    return entriesOf(listOf(stream)[1])
  }

  /** Creates the stream if it does not exist. Returns `false` if another instance has already begun a newer epoch. */
  async begin(epoch: string): Promise<boolean> {
    try {
      await this.link.call(['XADD', this.#key, `${epoch}-0`, FIELD, ''])
      return true
    } catch (error) {
      if (isIdTaken(error)) return false
      throw error
    }
  }

  /**
   * Appends all entries or none, and makes Redis keep about `maxEntries`.
   *
   * @param entries At least one.
   * @returns The place of the last entry. `gone`: the stream does not exist. `old-epoch`: another instance has begun
   *   a newer epoch. In both cases nothing was appended.
   */
  async append(
    epoch: string,
    entries: readonly string[],
    maxEntries: number,
  ): Promise<StreamPlace | 'gone' | 'old-epoch'> {
    const last = entries.length - 1
    const limit = ['MAXLEN', '~', String(maxEntries)]
    const commands = entries.map((text, index): Argument[] => {
      return ['XADD', this.#key, 'NOMKSTREAM', ...(index === last ? limit : []), `${epoch}-*`, FIELD, text]
    })
    const [single = [], ...more] = commands
    try {
      const replies = more.length === 0 ? [await this.link.call(single)] : await this.link.transact(commands)
      return replies.includes(null) ? 'gone' : placeOf(replies.at(-1))
    } catch (error) {
      if (isIdTaken(error)) return 'old-epoch'
      throw error
    }
  }

  /** Rejects if the server would refuse an append now. Appends nothing. */
  async expectWritable(): Promise<void> {
    try {
      await this.link.call(['XADD', this.#key, 'NOMKSTREAM', TAKEN_ID, FIELD, ''])
    } catch (error) {
      if (!isIdTaken(error)) throw error
    }
  }

  /** Removes about all entries before this place. */
  async trimBefore({ epoch, offset }: StreamPlace): Promise<void> {
    await this.link.call(['XTRIM', this.#key, 'MINID', '~', `${epoch}-${offset}`])
  }
}

function entriesOf(reply: unknown): StoredEntry[] {
  const entries: StoredEntry[] = []
  for (const item of listOf(reply)) {
    const [id, fields] = listOf(item)
    const { epoch, offset } = placeOf(id)
    entries.push({ epoch, offset, bytes: valueOf(fields) })
  }
  return entries
}

/** The value of the one field that lastcall writes. */
function valueOf(fields: unknown): Buffer | undefined {
  if (!Array.isArray(fields) || fields.length !== 2) return undefined
  const [name, value] = listOf(fields)
  return Buffer.isBuffer(name) && name.length === 1 && name[0] === FIELD_BYTE && Buffer.isBuffer(value)
    ? value
    : undefined
}

function placeOf(id: unknown): StreamPlace {
  const text = Buffer.isBuffer(id) ? id.toString('latin1') : id
  if (typeof text !== 'string') throw new StreamBroken('a reply without an id')
  const dash = text.indexOf('-')
  return { epoch: text.slice(0, dash), offset: Number(text.slice(dash + 1)) }
}

export function listOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply
  throw new StreamBroken('a reply that is not a list')
}
