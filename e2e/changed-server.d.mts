export interface Change {
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface ChangedServer {
  readonly cli: string
  readonly remove: () => void
}

export function changedServer(changes: readonly Change[]): ChangedServer
