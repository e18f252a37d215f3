#!/usr/bin/env -S node --max-semi-space-size=4 --heap-growing-percent=100
// The command. The flags keep memory small: docs/adr/0012. This file is not in dist/, so that it exists when npm links
// commands: before the first build of a checkout.
//
// It handles signals before it loads anything else: while the rest loads, SIGHUP would end the process, and SIGTERM would be
// lost where the process is PID 1 of a container. The command takes the signals over, also those that have come by then.
// An older Node fails in some library with a message that helps nobody.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`lastcall: Node.js ${process.versions.node} is too old: install Node.js 20.19 or newer.`)
  process.exit(1)
}

/** @typedef {'SIGTERM' | 'SIGINT' | 'SIGHUP'} Signal */

/** @type {readonly Signal[]} */
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP']
/** @type {Signal[]} */
const received = []
/** @param {Signal} signal */
const remember = (signal) => received.push(signal)
for (const signal of signals) process.on(signal, remember)

// The bundle has no types. They are those of the file from which it is made.
const bundle = '../dist/command/cli.js'
/** @type {typeof import('../dist/cli.js')} */
const { run } = await import(bundle)
await run(process.argv.slice(2), (listener) => {
  // The new listener comes first: Node loses a signal that has arrived and waits for this turn to end when the last listener goes.
  for (const signal of signals) process.on(signal, listener).off(signal, remember)
  for (const signal of received.splice(0)) listener(signal)
})
