import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    unstubEnvs: true,
    // What a test waits for may take long on a busy machine. The default is 1 s.
    expect: { poll: { timeout: 60_000 } },
    // Most of the time is spent waiting for processes, brokers and browsers: two files at once suit two cores, where
    // Vitest would run one at a time.
    maxWorkers: 2,
  },
})
