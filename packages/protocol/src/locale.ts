/**
 * The language of the texts for a client, from its `Accept-Language` (RFC 9110 section 12.5.4).
 */

export const LOCALES = ['uk', 'en'] as const

export type Locale = (typeof LOCALES)[number]

/** The limit of the header in characters; the server ignores the rest. A browser's own header has well under 100. */
const MAX_HEADER_LENGTH = 1000

/** The language that readers of other languages are most likely to understand. */
const FOR_OTHER_LANGUAGES: Locale = 'en'

const LANGUAGE_TAG = /^[a-z]{1,8}(-[a-z0-9]{1,8})*$/

/**
 * The best available language for this header: `fallback` when the header is missing or names no language, English when it
 * names only other languages.
 */
export function negotiateLocale(acceptLanguage: string | undefined, fallback: Locale): Locale {
  if (!acceptLanguage) return fallback
  const wanted = new Map<Locale | '*', number>()
  let namesOthers = false
  for (const range of acceptLanguage.slice(0, MAX_HEADER_LENGTH).toLowerCase().split(',')) {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim())
    const language = tag === '*' ? tag : LOCALES.find((locale) => tag === locale || tag.startsWith(`${locale}-`))
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    const quality = weight === undefined ? 1 : Number(weight.slice(2))
    if (!language) {
      if (quality > 0 && LANGUAGE_TAG.test(tag)) namesOthers = true
      continue
    }
    if (quality > (wanted.get(language) ?? -1)) wanted.set(language, quality)
  }
  // A wildcard stands for all languages that the header does not name, so not for those that it refuses (`uk;q=0, *`).
  const others = wanted.get('*')
  const otherwise = namesOthers && wanted.get(FOR_OTHER_LANGUAGES) !== 0 ? FOR_OTHER_LANGUAGES : fallback
  wanted.delete('*')
  if (others !== undefined) {
    for (const locale of [otherwise, ...LOCALES]) if (!wanted.has(locale)) wanted.set(locale, others)
  }
  let best = otherwise
  let bestQuality = 0
  for (const [locale, quality] of wanted as Map<Locale, number>) {
    if (quality > bestQuality) [best, bestQuality] = [locale, quality]
  }
  return best
}
