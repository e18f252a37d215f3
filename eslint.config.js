/**
 * What the linter asks for. Formatting is Prettier's business, unused exports are knip's, the directions of imports
 * dependency-cruiser's.
 */
import eslint from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

const NODE_GLOBALS = ['Buffer', 'URL', 'WebSocket', 'clearTimeout', 'console', 'fetch', 'performance', 'process']
const TIMERS = ['setImmediate', 'setInterval', 'setTimeout', 'clearInterval']

const ENVIRONMENT = { object: 'process', property: 'env', message: 'Take a Config instead.' }

/** The functions of time and of randomness that one module of each package calls. */
const TIMERS_OF_NODE = ['setImmediate', 'setInterval', 'setTimeout', 'queueMicrotask']
const RANDOM_FUNCTIONS = [
  ...['getRandomValues', 'pseudoRandomBytes', 'randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'randomUUID'],
  ...['generateKey', 'generateKeyPair', 'generateKeyPairSync', 'generateKeySync'],
]
const TAKE_A_CLOCK = 'Take a Clock (clock.ts) instead.'
const TAKE_RANDOMNESS = 'Take a Randomness (randomness.ts) instead.'

const TIME_AND_RANDOMNESS = [
  { object: 'AbortSignal', property: 'timeout', message: TAKE_A_CLOCK },
  { object: 'Date', property: 'now', message: TAKE_A_CLOCK },
  { object: 'Math', property: 'random', message: TAKE_RANDOMNESS },
  { object: 'performance', property: 'now', message: TAKE_A_CLOCK },
  { object: 'process', property: 'hrtime', message: TAKE_A_CLOCK },
  { object: 'process', property: 'nextTick', message: TAKE_A_CLOCK },
  ...RANDOM_FUNCTIONS.map((property) => ({ object: 'crypto', property, message: TAKE_RANDOMNESS })),
]

/** @param {readonly string[]} names */
const readonly = (names) => Object.fromEntries(names.map((name) => [name, /** @type {const} */ ('readonly')]))

export default defineConfig(
  globalIgnores(['**/dist/', 'coverage/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [eslint.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      // A `default` is a decision too.
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // Numbers read the same with and without String(); everything else stays forbidden.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => timer.unref()` as a callback and `return refuse()` as an early end are plain enough.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    rules: {
      'no-console': 'error',
      // A file owns one concept, and a function fits on a screen or two.
      'max-lines': ['error', 350],
      'max-lines-per-function': ['error', 80],
    },
  },
  {
    files: ['e2e/**/*.ts'],
    rules: {
      'max-lines': ['error', 350],
      'max-lines-per-function': ['error', 80],
    },
  },
  {
    // One file reads the environment, so that nothing is configured behind the schema's back.
    files: ['packages/*/src/**/*.ts'],
    ignores: ['packages/server/src/config/load-config.ts'],
    rules: { 'no-restricted-properties': ['error', ENVIRONMENT] },
  },
  {
    // Time and randomness are parameters (clock.ts, randomness.ts): a simulation repeats a run from its seed.
    files: ['packages/{client,server}/src/**/*.ts'],
    ignores: [
      'packages/*/src/{clock,randomness}.ts',
      // The drivers of the brokers: the broker is another process and has its own time.
      'packages/server/src/journal/{redis,rabbit}/**',
      'packages/server/src/journal/reconnect-backoff.ts',
      // systemd expects microseconds of CLOCK_MONOTONIC.
      'packages/server/src/systemd/notifier.ts',
    ],
    rules: {
      'no-restricted-globals': ['error', ...TIMERS_OF_NODE.map((name) => ({ name, message: TAKE_A_CLOCK }))],
      'no-restricted-properties': ['error', ENVIRONMENT, ...TIME_AND_RANDOMNESS],
      'no-restricted-imports': [
        'error',
        ...['timers', 'timers/promises', 'perf_hooks'].flatMap((name) =>
          [name, `node:${name}`].map((module) => ({ name: module, message: TAKE_A_CLOCK })),
        ),
        ...['crypto', 'node:crypto'].map((name) => ({ name, importNames: RANDOM_FUNCTIONS, message: TAKE_RANDOMNESS })),
      ],
      'no-restricted-syntax': [
        'error',
        { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: TAKE_A_CLOCK },
        { selector: 'CallExpression[callee.name="Date"]', message: TAKE_A_CLOCK },
      ],
    },
  },
  {
    files: ['packages/server/src/config/load-config.ts'],
    rules: { 'no-restricted-properties': ['error', ...TIME_AND_RANDOMNESS] },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [eslint.configs.recommended],
    languageOptions: { globals: readonly([...NODE_GLOBALS, ...TIMERS]) },
    rules: { eqeqeq: 'error' },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { globals: readonly(['module', 'require']) },
  },
)
