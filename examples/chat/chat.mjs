/**
 * A chat in the terminal that does not mind when its server is restarted: what is typed meanwhile is sent afterwards, what
 * was said meanwhile is shown, each once.
 *
 *   node examples/chat/chat.mjs anna [ws://localhost:8000/ws]
 */
import { clearLine, createInterface, cursorTo } from 'node:readline'
import { connect } from '@lastcall/client'
import { WebSocket } from 'ws'

const [clientId, url = 'ws://localhost:8000/ws'] = process.argv.slice(2)
const { stdin: input, stdout: output } = process
// Node 22 has a WebSocket of its own; then neither `ws` nor the option is needed.
const client = connect(url, { clientId, webSocket: WebSocket })
const terminal = createInterface({ input, output, prompt: output.isTTY ? '> ' : '' })

/**
 * Prints above the line that is being typed.
 *
 * @param {string} line
 */
function print(line) {
  if (output.isTTY) {
    cursorTo(output, 0)
    clearLine(output, 0)
  }
  console.log(line)
  terminal.prompt(true)
}

client.on('state', (state) => {
  if (state === 'open') print(`* connected as ${client.clientId}`)
  if (state === 'reconnecting') print('* the server is away; what you type now is sent when it is back')
})
client.on('recovered', ({ recovered }) => print(recovered ? '* nothing was missed' : '* something was missed'))
client.on('presence', ({ changes }) => {
  /** @param {'joined' | 'left'} side */
  const names = (side) => changes.flatMap((change) => change[side])
  for (const name of names('joined')) if (name !== client.clientId) print(`+ ${name}`)
  for (const name of names('left')) print(`- ${name}`)
})
client.on('message', ({ from, data }) => print(`${from}: ${typeof data === 'string' ? data : JSON.stringify(data)}`))
client.on('direct', ({ from, data }) => print(`${from}, to you alone: ${JSON.stringify(data)}`))
client.on('shutdown', ({ deadlineInMs }) => print(`* the server closes in ${Math.ceil(deadlineInMs / 1000)} s`))
client.on('close', ({ code, reason }) => {
  if (code !== 1000) console.error(`* the end: ${code} ${reason}`)
  process.exitCode = code === 1000 ? 0 : 1
  terminal.close()
})

// They are taken in order: when the last one is, all are.
/** @type {Promise<unknown>} */
let last = Promise.resolve()
terminal.on('line', (text) => {
  if (text) last = client.publish(text).catch(({ message }) => print(`* not sent, ${text}: ${message}`))
  terminal.prompt()
})
terminal.on('close', async () => {
  await last
  client.close()
})
