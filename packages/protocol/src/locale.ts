/**
 * Which language a client reads: from `Accept-Language` (RFC 9110 section 12.5.4).
 */

export const LOCALES = ['uk', 'en'] as const

export type Locale = (typeof LOCALES)[number]

/** The longest header looked at: a browser's own has well under 100 characters. */
const MAX_HEADER_LENGTH = 1000

/** The best of our languages for this header; `fallback` when it names none of them or is missing. */
export function negotiateLocale(acceptLanguage: string | undefined, fallback: Locale): Locale {
  if (!acceptLanguage) return fallback
  const wanted = new Map<Locale | '*', number>()
  for (const range of acceptLanguage.slice(0, MAX_HEADER_LENGTH).toLowerCase().split(',')) {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim())
    const language = tag === '*' ? tag : LOCALES.find((locale) => tag === locale || tag.startsWith(`${locale}-`))
    if (!language) continue
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    const quality = weight === undefined ? 1 : Number(weight.slice(2))
    if (quality > (wanted.get(language) ?? -1)) wanted.set(language, quality)
  }
  // A wildcard stands for what is not named, not for what is refused (`uk;q=0, *`).
  const others = wanted.get('*')
  wanted.delete('*')
  if (others !== undefined) {
    for (const locale of [fallback, ...LOCALES]) if (!wanted.has(locale)) wanted.set(locale, others)
  }
  let best = fallback
  let bestQuality = 0
  for (const [locale, quality] of wanted as Map<Locale, number>) {
    if (quality > bestQuality) [best, bestQuality] = [locale, quality]
  }
  return best
}
