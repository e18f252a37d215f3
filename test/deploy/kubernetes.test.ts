/**
 * deploy/kubernetes: the manifests match the published schemas, and their numbers agree with each other and the server.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { find, lacks } from '../../packages/server/test/support/programs.js'
import { loadConfig } from '../../packages/server/src/config/load-config.js'
import { DEFAULTS, place, read, unknownVariables } from './settings.js'

const VALIDATE = find('kubernetes-validate')
const FILES = readdirSync(place('kubernetes')).filter((file) => file.endsWith('.yaml'))

test.skipIf(lacks('PyPI: kubernetes-validate', VALIDATE))(
  'the manifests match the schemas and contain no unknown field',
  () => {
    const args = ['--strict', ...FILES.map((file) => place(`kubernetes/${file}`))]
    const { status, stdout, stderr } = spawnSync(VALIDATE, args, { encoding: 'utf8' })
    expect(status, stdout + stderr).toBe(0)
    const documents = FILES.flatMap((file) => parseAllDocuments(read(`kubernetes/${file}`)))
    expect(stdout.match(/ passed /g)).toHaveLength(documents.length)
  },
)

interface Labels {
  readonly matchLabels: Readonly<Record<string, string>>
}

interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string }; readonly secretKeyRef?: object }
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
  readonly periodSeconds: number
  readonly failureThreshold: number
}

interface Deployment {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly replicas?: number
    readonly selector: Labels
    readonly strategy: object
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly affinity?: object
        readonly topologySpreadConstraints: readonly [{ readonly labelSelector: Labels }]
        readonly containers: readonly [Container]
        readonly volumes?: object
      }
    }
  }
}

interface Container {
  readonly image: string
  readonly env: readonly Variable[]
  readonly ports: readonly [{ readonly name: string; readonly containerPort: number }]
  readonly startupProbe: Probe
  readonly livenessProbe: Probe
  readonly readinessProbe: Probe
}

interface Named {
  readonly metadata: { readonly name: string }
}

interface RedisPod {
  readonly containers: readonly [{ readonly args: readonly string[] }]
}

interface Autoscaler {
  readonly spec: {
    readonly scaleTargetRef: object
    readonly metrics: readonly [{ pods: { metric: { name: string }; target: { averageValue: string } } }]
    readonly behavior: { readonly scaleDown: { readonly policies: readonly [{ readonly periodSeconds: number }] } }
  }
}

const load = (file: string): unknown => parse(read(`kubernetes/${file}`))
const deployment = load('deployment.yaml') as Deployment
const { template, selector, strategy } = deployment.spec
const [container] = template.spec.containers

/** Stands for the URL in the secret. */
const JOURNAL_URL = 'redis://:password@lastcall-redis:6379'

describe('the deployment', () => {
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  const secrets = { AUTH_SECRET: 'in place of the one in the secret of that name', JOURNAL_URL }
  const result = loadConfig({ env: { ...env, ...secrets } })
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  const { config } = result

  test('sets only variables of the server', () => {
    expect(unknownVariables(container.env.map(({ name }) => name))).toEqual([])
  })

  test('grants a shutdown enough time, and configures the server with it', () => {
    const { terminationGracePeriodSeconds } = template.spec
    const needed = config.shutdownTimeoutSeconds + config.closeTimeoutSeconds
    expect(terminationGracePeriodSeconds).toBeGreaterThan(needed)
    expect(config.terminationGraceSeconds).toBe(terminationGracePeriodSeconds)
    expect(config.shutdownDelaySeconds).toBeGreaterThan(0)
  })

  test('names each build by the tag of the image', () => {
    const label = 'app.kubernetes.io/version'
    expect(container.image.split(':').at(-1)).toBe(template.metadata.labels[label])
    expect(container.env.find(({ name }) => name === 'BUILD')?.valueFrom?.fieldRef?.fieldPath).toBe(
      `metadata.labels['${label}']`,
    )
  })

  test('checks liveness at /health, which stays 200 during a drain, and readiness at /ready', () => {
    expect(container.livenessProbe.httpGet.path).toBe('/health')
    expect(container.startupProbe.httpGet.path).toBe('/health')
    expect(container.readinessProbe.httpGet.path).toBe('/ready')
    const [port] = container.ports
    expect(port.containerPort).toBe(DEFAULTS.port)
    for (const { httpGet } of [container.livenessProbe, container.startupProbe, container.readinessProbe]) {
      expect(httpGet.port).toBe(port.name)
    }
  })

  test('starts a new pod before it stops an old one', () => {
    expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } })
  })

  test('spreads its pods over nodes, because the journal is in Redis', () => {
    expect(config.journalUrl).toBe(JOURNAL_URL)
    expect(template.spec.affinity).toBeUndefined()
    expect(template.spec.volumes).toBeUndefined()
    expect(template.spec.topologySpreadConstraints[0].labelSelector).toEqual(selector)
  })
})

describe('Redis', () => {
  const [service, set] = parseAllDocuments(read('kubernetes/redis.yaml')).map((document) => document.toJS() as unknown)
  const { metadata, spec } = service as Named & { spec: { selector: object; ports: [{ port: number }] } }
  const { template: pod } = (set as { spec: { template: { metadata: { labels: object }; spec: RedisPod } } }).spec
  const { args } = pod.spec.containers[0]
  const setting = (name: string): string | undefined => args[args.indexOf(`--${name}`) + 1]

  test('has the address of the journal URL in README.md', () => {
    expect(read('kubernetes/README.md')).toContain(`@${metadata.name}:${spec.ports[0].port}"`)
    expect(pod.metadata.labels).toMatchObject(spec.selector)
  })

  test('keeps every acknowledged message on its disk, and evicts nothing', () => {
    expect(setting('appendonly')).toBe('yes')
    expect(setting('appendfsync')).toBe('always')
    expect(setting('maxmemory-policy')).toBe('noeviction')
  })
})

test('all manifests select the same pods', () => {
  expect(template.metadata.labels).toMatchObject(selector.matchLabels)
  const service = load('service.yaml') as Named & { spec: { selector: object; ports: [{ targetPort: string }] } }
  expect(service.spec.selector).toEqual(selector.matchLabels)
  expect(service.spec.ports[0].targetPort).toBe(container.ports[0].name)
  const budget = load('disruption-budget.yaml') as { spec: { selector: Labels } }
  expect(budget.spec.selector).toEqual(selector)
})

test('the autoscaler scales by connections, and no faster than pods drain', () => {
  const { spec } = load('autoscaler.yaml') as Autoscaler
  expect(spec.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: deployment.metadata.name })
  expect(deployment.spec.replicas).toBeUndefined()
  const [{ pods }] = spec.metrics
  expect(pods.metric.name).toBe('lastcall_active_connections')
  expect(Number(pods.target.averageValue)).toBeLessThanOrEqual(DEFAULTS.maxConnections / 2)
  expect(spec.behavior.scaleDown.policies[0].periodSeconds).toBeGreaterThanOrEqual(DEFAULTS.shutdownTimeoutSeconds)
})
