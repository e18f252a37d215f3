/** What is judged: see verdict.mjs. */
export function judge(run: {
  readonly events: readonly object[]
  readonly deployAt: number
  readonly doneAt: number
  readonly reports: readonly object[]
  readonly isTimed: boolean
}): { readonly faults: string[]; readonly figures: Readonly<Record<string, number>> }
