#!/usr/bin/env node
// Here and not in dist/, so that it exists when npm links commands: before the first build of a checkout.
import '../dist/cli.js'
