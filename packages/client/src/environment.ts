/**
 * What a browser tells its pages and workers. Node tells nothing, and that is fine.
 */

export interface EnvironmentListener {
  /** The network is back, or the page is looked at again. */
  readonly onWake: () => void
  /** The page is left or hidden; it may not come back. */
  readonly onHide: () => void
}

/** Listens. The answer ends it. */
export function watchEnvironment({ onWake, onHide }: EnvironmentListener): () => void {
  const page = (globalThis as { document?: Document }).document
  const onVisibility = (): void => {
    if (page?.visibilityState === 'hidden') onHide()
    else onWake()
  }
  const listeners: [target: Partial<EventTarget> | undefined, event: string, listener: () => void][] = [
    [globalThis, 'online', onWake],
    [globalThis, 'pagehide', onHide],
    [page, 'visibilitychange', onVisibility],
  ]
  for (const [target, event, listener] of listeners) target?.addEventListener?.(event, listener)
  return () => {
    for (const [target, event, listener] of listeners) target?.removeEventListener?.(event, listener)
  }
}
