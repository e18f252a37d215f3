// Before the first paint: the colours this person chose, or else the system's. Everything else waits for page.js.
;(() => {
  const prefersLight = matchMedia('(prefers-color-scheme: light)')
  let chosen
  try {
    chosen = localStorage.getItem('lastcall.theme')
  } catch {
    // No storage: the system's.
  }
  const apply = () => {
    const isChosen = chosen === 'dark' || chosen === 'light'
    document.documentElement.dataset.theme = isChosen ? chosen : prefersLight.matches ? 'light' : 'dark'
  }
  apply()
  prefersLight.addEventListener('change', apply)
})()
