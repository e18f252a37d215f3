/**
 * What the linter asks for. Formatting is Prettier's business, unused exports are knip's, the directions of imports
 * dependency-cruiser's.
 */
import eslint from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

const NODE_GLOBALS = ['Buffer', 'URL', 'WebSocket', 'clearTimeout', 'console', 'fetch', 'performance', 'process']
const TIMERS = ['setImmediate', 'setInterval', 'setTimeout', 'clearInterval']
const BROWSER_GLOBALS = [
  ...['ResizeObserver', 'addEventListener', 'crypto', 'document', 'history', 'localStorage', 'location', 'matchMedia'],
  ...['navigator', 'removeEventListener', 'requestAnimationFrame', 'sessionStorage', 'window'],
]

const readonly = (names) => Object.fromEntries(names.map((name) => [name, 'readonly']))

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
    // One file reads the environment, so that nothing is configured behind the schema's back.
    files: ['packages/*/src/**/*.ts'],
    ignores: ['packages/server/src/config/load-config.ts'],
    rules: {
      'no-restricted-properties': ['error', { object: 'process', property: 'env', message: 'Take a Config instead.' }],
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [eslint.configs.recommended],
    languageOptions: { globals: readonly([...NODE_GLOBALS, ...TIMERS]) },
    rules: { eqeqeq: 'error' },
  },
  {
    files: ['packages/server/page/**/*.js'],
    languageOptions: { globals: readonly(BROWSER_GLOBALS) },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { globals: readonly(['module', 'require']) },
  },
)
