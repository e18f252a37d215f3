/**
 * A client that connects at the end of a run and reads every retained entry: they are the journal, and must be the entries that
 * all other clients received.
 */
import { parseFrame } from './frames.js'
import type { Terms } from './history-events.js'
import type { Head, History } from './history.js'
import { recordedSocket, type RecordedSocketClass } from './recorded-socket.js'

const TIMEOUT_MS = 20_000

export interface ReadingOptions {
  readonly port: number
  readonly channels: ReadonlySet<string>
  readonly terms: Pick<Terms, 'historySize' | 'presence' | 'isRemote'>
  readonly history: History
  readonly token: string | undefined
  /** The head of the journal that the other clients were told; default: that of the history. */
  readonly head?: Head
  /** Where the journal begins. The epoch of a broker may begin at any offset. */
  readonly first?: number
}

/** Resolves when the client has read up to the head, or after a time limit. */
export async function readJournal({
  port,
  channels,
  terms,
  history,
  token,
  head: { epoch, offset: head } = history.head,
  first = terms.isRemote ? history.beginning : 0,
}: ReadingOptions): Promise<void> {
  if (epoch === '') return
  history.record({ type: 'client', client: 'reader', kind: 'reader' })
  const Socket = recordedSocket(history, 'reader')
  // From the very beginning, where the servers retain it; then from the oldest entry that they must retain, and from one entry
  // before that.
  const oldest = head - terms.historySize + (terms.presence ? PRESENCE_MARGIN : 0)
  const starts = [first, oldest, ...(terms.presence ? [] : [oldest - 1])]
  for (const start of new Set(starts.filter((offset) => offset >= first))) {
    await readFrom(Socket, { port, channels, cursor: `${epoch}:${start}`, token, history })
  }
}

/** The most entries that the reader's own connections may add meanwhile, and the healing before them. */
const PRESENCE_MARGIN = 8

function readFrom(
  Socket: RecordedSocketClass,
  {
    port,
    channels,
    cursor,
    token,
    history,
  }: Pick<ReadingOptions, 'port' | 'channels' | 'token' | 'history'> & { readonly cursor: string },
): Promise<void> {
  const query = `cursor=${cursor}&channels=${[...channels].join()}${token === undefined ? '' : `&token=${token}`}`
  const socket = new Socket(`ws://127.0.0.1:${port}/ws/reader?${query}`, 'lastcall.v1')
  return new Promise((resolve) => {
    const overdue = setTimeout(() => {
      history.record({ type: 'stuck', text: `the reader from ${cursor} has not come to the end` })
      socket.terminate()
    }, TIMEOUT_MS)
    socket.on('open', () => socket.send('{"type":"ping"}'))
    socket.on('error', (error) => history.record({ type: 'stuck', text: `the reader: ${error.message}` }))
    socket.on('message', (data: Buffer) => {
      if (parseFrame(data.toString())?.type === 'pong') socket.terminate()
    })
    socket.on('close', () => {
      clearTimeout(overdue)
      resolve()
    })
  })
}
