import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'bench/test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    unstubEnvs: true,
    // Most of the time is spent waiting for processes, brokers and browsers: two files at once suit two cores, where
    // Vitest would run one at a time.
    maxWorkers: 2,
  },
})
