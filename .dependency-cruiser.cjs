/**
 * The directions of the imports (ARCHITECTURE.md): http, websocket, workers, systemd and the command → sessions, hub,
 * presence, instances, connections, shutdown → journal.ts and the protocol. Type-only imports count: code that needs a
 * type depends on the file that declares it.
 */
const SRC = '^packages/server/src/'
/** The folders that know neither sockets nor HTTP. */
const INNER = '(backend|connections|sessions|hub|presence|instances|shutdown)'
const OUTER = `${SRC}(http|websocket|workers|systemd)/|${SRC}(startup-warnings|cli|serve|(assemble|create|lastcall)-server|closing-steps|compose-[a-z]+|index)\\.ts$`

/**
 * A package of npm, wherever it is resolved to.
 *
 * @param {string} names
 */
const npm = (names) => `(^|node_modules/)(${names})(/|$)`

/**
 * Only the files that match `from` may import `to`.
 *
 * @param {string} name
 * @param {string[]} from
 * @param {string | string[]} to
 * @param {string} comment
 */
const onlyBy = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^packages/[^/]+/src/', pathNot: from },
  to: { path: to },
})

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-folder-cycles',
      comment: 'Folders depend on each other in one direction, whatever their files do.',
      severity: 'error',
      scope: 'folder',
      from: {},
      to: { circular: true },
    },
    {
      name: 'connections-know-no-hub',
      comment: 'The hub and the sessions keep what they know about a connection with it, opaquely.',
      severity: 'error',
      from: { path: `${SRC}connections/` },
      to: { path: `${SRC}(hub|sessions|presence|instances|shutdown|journal)/` },
    },
    {
      name: 'hub-knows-no-session',
      comment: 'Presence, the instances and the sessions read the feed and use the hub, not the other way round.',
      severity: 'error',
      from: { path: `${SRC}hub/` },
      to: { path: `${SRC}(sessions|presence|instances|shutdown)/` },
    },
    {
      name: 'inwards',
      comment: 'Inner folders do not know how bytes and requests arrive.',
      severity: 'error',
      from: { path: `${SRC}${INNER}/|${SRC}(frames|periodic-broadcast)\\.ts$` },
      to: { path: OUTER },
    },
    {
      name: 'journal-is-innermost',
      comment: 'The journal knows nobody who uses it.',
      severity: 'error',
      from: { path: `${SRC}journal/` },
      to: { path: `${OUTER}|${SRC}${INNER}/|${SRC}config/` },
    },
    {
      name: 'journal-by-its-interface',
      comment:
        'The hub and the others import what an entry is and how it is encoded; the composition root chooses the engine.',
      severity: 'error',
      from: { path: SRC, pathNot: [`${SRC}(journal|testing)/`, `${SRC}compose-journal\\.ts$`] },
      to: {
        path: `${SRC}journal/`,
        pathNot: `${SRC}journal/(journal|entry-[a-z]+|placeholder|redis/redis-url|rabbit/address)\\.ts$`,
      },
    },
    onlyBy(
      'engines-by-open-journal',
      [`${SRC}journal/open-journal\\.ts$`],
      [`${SRC}journal/(?!open-)[a-z]+-journal\\.ts$`, `${SRC}journal/[a-z]+/[a-z]+-journal\\.ts$`],
      'A concrete journal is imported by open-journal.ts alone.',
    ),
    onlyBy(
      'testing-by-authors',
      [`${SRC}testing/`],
      `${SRC}testing/`,
      'lastcall/testing is for the tests of journals; the server does not need it.',
    ),
    onlyBy(
      'drivers-by-journal',
      [`${SRC}journal/`],
      npm('lmdb|redis|@redis|amqplib'),
      'Drivers belong to their journal.',
    ),
    onlyBy(
      'rabbit-by-its-journal',
      [`${SRC}journal/(rabbit/|open-journal\\.ts$)`],
      `(${SRC}journal/rabbit/(?!address))|${npm('amqplib')}`,
      'AMQP is known in journal/rabbit/ alone.',
    ),
    onlyBy('ws-by-websocket', [`${SRC}websocket/`], npm('ws|@types/ws'), '`ws` is known in websocket/ alone.'),
    onlyBy('fastify-by-http', [`${SRC}http/`], npm('fastify|@fastify'), 'Fastify is known in http/ alone.'),
    onlyBy('pino-by-logger', [`${SRC}observability/logger\\.ts$`], npm('pino|pino-pretty'), 'The others know log.ts.'),
    onlyBy(
      'prom-client-by-metrics',
      [`${SRC}observability/(aggregate-)?metrics\\.ts$`],
      npm('prom-client'),
      'The others count in stats.ts.',
    ),
    onlyBy(
      'cluster-by-workers',
      [`${SRC}workers/`],
      '^(node:)?cluster$',
      'Several processes are known in workers/ alone.',
    ),
    onlyBy(
      'workers-by-command',
      [`${SRC}workers/`, `${SRC}cli\\.ts$`],
      `${SRC}workers/`,
      'A server knows nothing of others.',
    ),
    onlyBy(
      'systemd-by-the-command',
      [`${SRC}(systemd|workers)/`, `${SRC}(startup-warnings|serve)\\.ts$`],
      `${SRC}systemd/`,
      'Whoever is a process of its own tells systemd; a server as a library is a part of somebody else’s.',
    ),
    onlyBy(
      'zod-by-config-and-http',
      [`${SRC}(config|http)/`],
      npm('zod'),
      'Only the configuration and the bodies of HTTP requests are checked by schemas.',
    ),
    {
      name: 'leaves',
      comment: 'What everybody may import imports nothing.',
      severity: 'error',
      from: { path: `${SRC}((clock|errors|invariant)|observability/(log|stats))\\.ts$` },
      to: { path: '.' },
    },
    {
      name: 'protocol-depends-on-nothing',
      comment: 'It runs in a browser as well.',
      severity: 'error',
      from: { path: '^packages/protocol/src/' },
      to: { pathNot: '^packages/protocol/src/' },
    },
    {
      name: 'client-depends-on-nothing',
      comment: 'It is small, and runs in a browser as well.',
      severity: 'error',
      from: { path: '^packages/client/src/' },
      to: { pathNot: '^packages/client/src/' },
    },
    {
      name: 'not-to-tests',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { path: '/test/' },
    },
    {
      name: 'declared',
      comment: 'What is imported is in dependencies of the package itself.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'],
        dependencyTypesNot: ['type-only'],
      },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: '^packages/[^/]+/dist/.*\\.d\\.ts' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'default', 'types'] },
  },
}
