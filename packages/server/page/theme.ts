// Runs before the first paint and sets the colours that the user chose, or those of the system. page.ts does everything else.
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
