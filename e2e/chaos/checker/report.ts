/** The violations that the checker finds. */

export interface Violation {
  readonly kind: string
  readonly text: string
  /** Of the event that shows it. */
  readonly index?: number
}

/** Takes a violation. `index`: of the event that shows it, if one does. */
export type ReportViolation = (kind: string, text: string, index?: number) => void

export class Report {
  readonly violations: Violation[] = []

  add(kind: string, text: string, index?: number): void {
    this.violations.push({ kind, text, ...(index !== undefined && { index }) })
  }
}
