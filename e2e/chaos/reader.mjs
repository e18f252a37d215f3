/**
 * A newcomer who reads everything that is kept, once everything is over: what it is told is the journal, and must be what
 * everybody else has seen.
 */
import { recordedSocket } from './recorded-socket.js'

const TIMEOUT_MS = 20_000

/**
 * Resolves when it has read up to the head, or that took too long.
 *
 * @param {object} options
 * @param {{ epoch: string, offset: number }} [options.head] As everybody else was told.
 * @param {number} [options.first] Where the journal begins. The epoch of a broker may begin at any offset.
 */
export async function readJournal({
  port,
  channels,
  terms,
  history,
  token,
  head: { epoch, offset: head } = history.head,
  first = terms.isRemote ? history.beginning : 0,
}) {
  if (epoch === '') return
  history.record({ type: 'client', client: 'reader', kind: 'reader' })
  const Socket = recordedSocket(history, 'reader')
  // From the very beginning, where that is kept; then from as far back as it must be, and from one entry before that.
  const oldest = head - terms.historySize + (terms.presence ? PRESENCE_MARGIN : 0)
  const starts = [first, oldest, ...(terms.presence ? [] : [oldest - 1])]
  for (const start of new Set(starts.filter((offset) => offset >= first))) {
    await readFrom(Socket, { port, channels, cursor: `${epoch}:${start}`, token, history })
  }
}

/** What the reader's own coming and going may add meanwhile, and the healing before it. */
const PRESENCE_MARGIN = 8

function readFrom(Socket, { port, channels, cursor, token, history }) {
  const query = `cursor=${cursor}&channels=${[...channels].join()}${token === undefined ? '' : `&token=${token}`}`
  const socket = new Socket(`ws://127.0.0.1:${port}/ws/reader?${query}`, 'lastcall.v1')
  return new Promise((resolve) => {
    const overdue = setTimeout(() => {
      history.record({ type: 'stuck', text: `the reader from ${cursor} has not come to the end` })
      socket.terminate()
    }, TIMEOUT_MS)
    socket.on('open', () => socket.send('{"type":"ping"}'))
    socket.on('error', (error) => history.record({ type: 'stuck', text: `the reader: ${error.message}` }))
    socket.on('message', (data) => {
      if (JSON.parse(data.toString()).type === 'pong') socket.terminate()
    })
    socket.on('close', () => {
      clearTimeout(overdue)
      resolve()
    })
  })
}
