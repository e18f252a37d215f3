// Before the first paint: the colours this person chose, or else the system's. Everything else waits for page.ts.
;(() => {
  const prefersLight = matchMedia('(prefers-color-scheme: light)')
  let chosen: string | null = null
  try {
    chosen = localStorage.getItem('lastcall.theme')
  } catch {
    // No storage: the system's.
  }
  const ofSystem = (): string => (prefersLight.matches ? 'light' : 'dark')
  const apply = (): void => {
    document.documentElement.dataset['theme'] = chosen === 'dark' || chosen === 'light' ? chosen : ofSystem()
  }
  apply()
  prefersLight.addEventListener('change', apply)
})()
