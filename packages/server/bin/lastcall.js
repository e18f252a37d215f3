#!/usr/bin/env -S node --max-semi-space-size=4
// What is short-lived stays in the processor's cache (docs/adr/0012). Here and not in dist/, so that it exists when npm links commands: before the first build of a checkout.
import '../dist/cli.js'
