#!/usr/bin/env -S node --max-semi-space-size=4 --heap-growing-percent=100
// The flags keep memory small: docs/adr/0012.
// Here and not in dist/, so that it exists when npm links commands: before the first build of a checkout.
import '../dist/cli.js'
