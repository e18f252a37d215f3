/**
 * The events by which a browser reports the network and the visibility of a page. Node has none of them, and the client works
 * without.
 */

export interface EnvironmentListener {
  /** The network is back, or the page is visible again. */
  readonly onWake: () => void
  /** The page is closed or hidden, perhaps for good. */
  readonly onHide: () => void
}

/** Adds the listeners. The returned function removes them. */
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
