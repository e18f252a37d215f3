/**
 * Preloaded into a server (`--import`): at each SIGUSR2 the clock of this process is set by as many milliseconds as the
 * file SET_CLOCK_FILE says. The monotonic clock goes on, as it does where an administrator or NTP sets the time.
 */
import { readFileSync } from 'node:fs'

let setByMs = 0
const { Date: SystemDate } = globalThis
globalThis.Date = class extends SystemDate {
  constructor(...parts) {
    super(...(parts.length === 0 ? [SystemDate.now() + setByMs] : parts))
  }

  static now() {
    return SystemDate.now() + setByMs
  }
}
process.on('SIGUSR2', () => {
  setByMs = Number(readFileSync(process.env.SET_CLOCK_FILE, 'utf8'))
  console.log(`clock ${setByMs}`)
})
