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
  const end = new AbortController()
  const listen = (target: Partial<EventTarget> | undefined, event: string, listener: () => void): void =>
    target?.addEventListener?.(event, listener, end)
  listen(globalThis, 'online', onWake)
  listen(globalThis, 'pagehide', onHide)
  listen(page, 'visibilitychange', onVisibility)
  return () => end.abort()
}
