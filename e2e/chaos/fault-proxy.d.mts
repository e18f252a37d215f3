import type { Random } from './random.mjs'

export interface Fate {
  readonly fault: 'none' | 'refuse' | 'silence' | 'cut' | 'stall' | 'half-close'
  readonly direction: 'up' | 'down' | 'both'
  readonly afterBytes: number
  readonly by: 'fin' | 'rst'
  readonly stallMs: number
  readonly watch?: (direction: 'up' | 'down', chunk: Buffer) => number
  readonly delayMs: () => number
  readonly pieceBytes: () => number
}

export const ROUGH: Readonly<Record<Fate['fault'], number>>

export function drawFate(random: Random, weights: Readonly<Partial<Record<Fate['fault'], number>>>): Fate

export class FaultProxy {
  constructor(options: {
    readonly target: () => number | undefined
    readonly nextFate: () => Fate
    readonly onFault?: (what: string) => void
  })
  listen(): Promise<number>
  readonly size: number
  outage(by: 'fin' | 'rst'): void
  calm(): void
  close(): Promise<void>
}
