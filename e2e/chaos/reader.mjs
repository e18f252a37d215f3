/**
 * A newcomer who reads everything that is kept, once everything is over: what it is told is the journal, and must be what
 * everybody else has seen.
 */
import { recordedSocket } from './history.mjs'

const TIMEOUT_MS = 20_000

/** Resolves when it has read up to the head, or that took too long. */
export async function readJournal({ port, plan: { clients, extraChannel, terms }, history, token }) {
  const channels = [...new Set([extraChannel, ...clients.flatMap((client) => client.channels)])]
  const welcome = history.events.findLast(({ type }) => type === 'welcome')
  if (!welcome) return
  const epoch = welcome.cursor.split(':')[0]
  const head = history.events.reduce((most, { offset = 0 }) => Math.max(most, offset), 0)
  history.record('client', { client: 'reader', kind: 'reader' })
  const Socket = recordedSocket(history, 'reader')
  // From the very beginning, where that is kept; then from as far back as there must be something.
  const starts = [0]
  if (head > terms.historySize) starts.push(head - terms.historySize + MARGIN)
  for (const start of starts) {
    await readFrom(Socket, { port, channels, cursor: `${epoch}:${start}`, token, history })
  }
}

/** What presence may add meanwhile. */
const MARGIN = 5

function readFrom(Socket, { port, channels, cursor, token, history }) {
  const query = `cursor=${cursor}&channels=${channels.join()}${token === undefined ? '' : `&token=${token}`}`
  const socket = new Socket(`ws://127.0.0.1:${port}/ws/reader?${query}`, 'lastcall.v1')
  return new Promise((resolve) => {
    const overdue = setTimeout(() => {
      history.record('stuck', { text: `the reader from ${cursor} has not come to the end` })
      socket.terminate()
    }, TIMEOUT_MS)
    socket.on('open', () => socket.send('{"type":"ping"}'))
    socket.on('error', (error) => history.record('stuck', { text: `the reader: ${error.message}` }))
    socket.on('message', (data) => {
      if (JSON.parse(data.toString()).type === 'pong') socket.terminate()
    })
    socket.on('close', () => {
      clearTimeout(overdue)
      resolve()
    })
  })
}
