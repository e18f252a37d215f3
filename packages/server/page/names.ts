/**
 * Names: a friendly proposal, and the conversion of a name that the protocol does not allow (a-z A-Z 0-9 _ -).
 */
import type { Language } from './texts.js'

const WORDS: Readonly<Record<Language, readonly [how: readonly string[], what: readonly string[]]>> = {
  uk: [
    ['tykha', 'yasna', 'vesela', 'tepla', 'dobra', 'smila', 'nichna', 'sonna', 'myla', 'zolota'],
    ['sova', 'kava', 'lypa', 'zirka', 'khmara', 'richka', 'kalyna', 'ptashka', 'lampa', 'hora'],
  ],
  en: [
    ['quiet', 'bright', 'merry', 'warm', 'kind', 'bold', 'late', 'sleepy', 'lucky', 'golden'],
    ['owl', 'coffee', 'linden', 'star', 'cloud', 'river', 'cherry', 'sparrow', 'lamp', 'hill'],
  ],
}

const anyOf = (list: readonly string[]): string => list[Math.floor(Math.random() * list.length)] ?? ''

/** `tykha-sova-27`. */
export function friendlyName(language: Language): string {
  const [how, what] = WORDS[language]
  return `${anyOf(how)}-${anyOf(what)}-${10 + Math.floor(Math.random() * 90)}`
}

// Ukrainian in Latin letters by resolution 55 of 2010 of the Cabinet of Ministers: й, ї, є, ю, я differ at the beginning of a
// word, зг is zgh, the soft sign and the apostrophe vanish.
// prettier-ignore
const LETTERS = new Map(
  Object.entries({
    а: 'a', б: 'b', в: 'v', г: 'h', ґ: 'g', д: 'd', е: 'e', є: 'ie', ж: 'zh', з: 'z', и: 'y', і: 'i', ї: 'i',
    й: 'i', к: 'k', л: 'l', м: 'm', н: 'n', о: 'o', п: 'p', р: 'r', с: 's', т: 't', у: 'u', ф: 'f', х: 'kh',
    ц: 'ts', ч: 'ch', ш: 'sh', щ: 'shch', ь: '', ю: 'iu', я: 'ia', ʼ: '', '’': '', "'": '', ё: 'e', ъ: '',
    ы: 'y', э: 'e',
  }),
)
const FIRST_LETTERS = new Map(Object.entries({ є: 'ye', ї: 'yi', й: 'y', ю: 'yu', я: 'ya' }))

/** The nearest valid name; empty if the text contains no usable character. */
export function allowedName(typed: string): string {
  if (/^[a-zA-Z0-9_-]{1,64}$/.test(typed)) return typed
  let name = ''
  let atStart = true
  for (const character of typed.trim().normalize('NFC').replace(/зг/g, 'zgh').replace(/Зг/g, 'Zgh')) {
    const lower = character.toLowerCase()
    const latin = (atStart ? FIRST_LETTERS.get(lower) : undefined) ?? LETTERS.get(lower)
    if (latin === undefined) {
      name += plainLetter(character)
    } else {
      name += lower === character ? latin : latin.charAt(0).toUpperCase() + latin.slice(1)
    }
    atStart = !/[\p{L}\p{M}'’ʼ]/u.test(character)
  }
  return name
    .replace(/--+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64)
}

/** `é` is `e`; a space or anything else is `-`, once. */
function plainLetter(character: string): string {
  const plain = character.normalize('NFD').replace(/\p{M}/gu, '')
  return /^[a-zA-Z0-9_-]+$/.test(plain) ? plain : '-'
}
