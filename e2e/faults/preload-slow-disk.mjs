/**
 * Preloaded into a server (`--import`): every write to a file is answered only SLOW_DISK_MS after it was made.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { write } = fs
fs.write = (fd, data, ...rest) => {
  const callback = rest.at(-1)
  if (!Buffer.isBuffer(data) || typeof callback !== 'function') return write(fd, data, ...rest)
  write(fd, data, ...rest.slice(0, -1), (...answer) => {
    setTimeout(() => callback(...answer), Number(process.env.SLOW_DISK_MS))
  })
}
syncBuiltinESMExports()
