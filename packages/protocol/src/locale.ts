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
  let best: Locale | undefined
  let bestQuality = 0
  for (const range of acceptLanguage.slice(0, MAX_HEADER_LENGTH).split(',')) {
    const [tag = '', ...parameters] = range.trim().toLowerCase().split(';')
    const language = tag === '*' ? fallback : LOCALES.find((locale) => tag === locale || tag.startsWith(`${locale}-`))
    if (!language) continue
    const weight = parameters.find((parameter) => parameter.trim().startsWith('q='))
    const quality = weight === undefined ? 1 : Number(weight.trim().slice(2))
    if (quality > bestQuality) [best, bestQuality] = [language, quality]
  }
  return best ?? fallback
}
