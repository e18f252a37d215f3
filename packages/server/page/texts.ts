/**
 * Every text of the page, in Ukrainian and in English. A text is a string, or a function of the values in it.
 */

const ukPlural = new Intl.PluralRules('uk')
const uk = (count: number, one: string, few: string, many: string): string => {
  const form = ukPlural.select(count)
  if (form === 'one') return one
  return form === 'many' ? many : few
}
const en = (count: number, one: string, many = `${one}s`): string => (count === 1 ? one : many)

/** Names, and the number of further ones. */
const list = (names: readonly string[], count: number, more: (rest: number) => string): string =>
  names.join(', ') + (count > names.length ? more(count - names.length) : '')

const UK = {
  language: 'EN: switch to English',
  languageShort: 'EN',
  theme: 'Змінити освітлення',
  leave: 'Піти',
  doorTitle: 'Заходьте',
  doorLead: 'Добрий бар не вимикає світла зненацька. Цей сервер теж.',
  nameLabel: 'Як вас називати?',
  anotherName: 'Інше імʼя',
  nameHint: 'Латинські літери, цифри, «-» та «_»',
  nameBecomes: (name: string) => `Вас побачать як ${name}`,
  nameMissing: 'Потрібне імʼя: латинські літери, цифри, «-» або «_».',
  tokenSummary: 'Маю токен',
  tokenLabel: 'Токен (JWT), якщо сервер його вимагає',
  connect: 'Зайти',
  fromTerminal: 'Або з термінала:',
  linkDocs: 'API',
  linkHealth: 'стан',
  linkMetrics: 'метрики',

  idle: 'не на звʼязку',
  connecting: 'зʼєднуємося…',
  online: 'на звʼязку',
  waiting: 'без звʼязку',
  ended: 'не на звʼязку',
  active: (count: number) => uk(count, 'гість', 'гості', 'гостей'),

  log: 'Розмова',
  quiet: 'Тут поки тихо. Скажіть щось першими.',
  you: 'ви',
  privately: 'лише вам',
  privatelyTo: (name: string) => `лише для ${name}`,
  newLines: (count: number) => `↓ ${count} ${uk(count, 'нове', 'нові', 'нових')}`,
  longer: (count: number) => `… ще ${count} ${uk(count, 'знак', 'знаки', 'знаків')}`,
  queued: 'піде, щойно буде звʼязок',
  sent: 'надіслано…',
  journaled: (offset: number) => `у журналі, № ${offset}`,
  delayed: 'почекає своєї черги',
  unsure: 'невідомо, чи дійшло',
  again: 'Ще раз',
  messageLabel: 'Повідомлення',
  messagePlaceholder: 'Скажіть усім…',
  messagePlaceholderTo: (name: string) => `Скажіть лише ${name}…`,
  send: 'Надіслати',
  recipient: (name: string) => `лише для ${name}`,
  recipientClear: 'Знову до всіх',

  people: 'За стійкою',
  peopleMore: (count: number) => `та ще ${count}`,
  peopleUnheard: (count: number) =>
    `${count} ${uk(count, 'гість поки мовчить', 'гості поки мовчать', 'гостей поки мовчать')}`,
  peopleNobody: 'Поки лише ви',
  tellPrivately: (name: string) => `Сказати лише ${name}`,

  welcome: (name: string) => `Вітаємо, ${name}!`,
  recovered: 'Знову разом. Нічого не пропущено.',
  moved: 'Розмову веде далі інший сервер. Нічого не пропущено.',
  notRecovered: 'Знову разом, але щось сказане тим часом уже не збереглося.',
  joined: (names: readonly string[], count: number) =>
    `${count === 1 ? 'Приєднується' : 'Приєднуються'} ${list(names, count, (rest) => ` та ще ${rest}`)}`,
  left: (names: readonly string[], count: number) =>
    `${count === 1 ? 'Прощається' : 'Прощаються'} ${list(names, count, (rest) => ` та ще ${rest}`)}`,
  periodic: (active: number, uptime: string) =>
    `${active} ${uk(active, 'гість', 'гості', 'гостей')} · сервер працює ${uptime}`,

  shutdownLabel: 'Сервер завершує роботу',
  shutdownTitle: 'Останнє замовлення',
  shutdownText: 'Сервер завершує роботу. Договоріть спокійно: світло згасне, коли всі підуть або скінчиться час.',
  shutdownSoonText: 'Ось-ось зачиняємо. Якщо є останнє слово, то зараз.',
  closingTitle: 'Зачиняємо',
  closingText: 'Усе прийняте записано. Дякуємо, що були.',
  warningLine: (left: string) => `Останнє замовлення: сервер завершує роботу, на все є ${left}.`,
  reminderLine: (left: string) => `До зачинення ${left}.`,
  closingLine: 'Сервер зачиняється.',
  shutdownCancelled: 'Завершення роботи скасовано: можна залишатися.',

  now: 'Зараз',
  reconnect: 'Зайти знову',
  hereInstead: 'Продовжити тут',
  toDoor: 'До дверей',
  tryingAgain: (left: string) => `Спробуємо знову за ${left}.`,
  nextIn: (left: string) => `Наступне піде за ${left}.`,
  tooManyWaiting: 'Забагато повідомлень чекають на звʼязок.',
  unreachable: 'Сервер не відповідає.',
  closed: (code: number) => `Зʼєднання закрито (код ${code}).`,
  closeCodes: {
    1000: 'Ви пішли.',
    1001: 'Сервер зачинився або перезапускається.',
    1003: 'Сервер не прийняв цього імені чи такого повідомлення.',
    1006: 'Звʼязок обірвався.',
    1007: 'Надіслане не було текстом.',
    1008: 'Сервер не впустив.',
    1009: 'Повідомлення було завелике.',
    1011: 'На сервері сталася помилка.',
    1012: 'Сервер перезапускається.',
    1013: 'Вільних місць немає.',
    4001: 'Ви зайшли з іншого місця: розмова триває там.',
    4008: 'Звʼязок був заповільний: частини розмови вже не збережено.',
    4009: 'Це імʼя зараз зайняте: оберіть інше.',
    4010: 'Сервер втратив збережену розмову й починає нову.',
  } as Readonly<Record<number, string>>,
  errors: {
    bad_message: 'Сервер не зрозумів повідомлення.',
    unknown_type: 'Сервер не знає такого повідомлення.',
    too_large: 'Повідомлення завелике.',
    rate_limited: 'Забагато повідомлень за хвилину.',
    forbidden: 'Сюди вам писати не можна.',
    not_subscribed: 'Ви не в цьому каналі.',
    journal_unavailable: 'Зараз не вдається записати: спробуйте ще раз.',
    shutting_down: 'Сервер уже не приймає: піде після повернення.',
    internal: 'На сервері сталася помилка.',
  } as Readonly<Record<string, string>>,
  second: 'с',
  minute: 'хв',
  hour: 'год',
  day: 'дн',
}

export type Texts = typeof UK

const EN: Texts = {
  language: 'УК: перейти на українську',
  languageShort: 'УК',
  theme: 'Change the light',
  leave: 'Leave',
  doorTitle: 'Come in',
  doorLead: 'A good bar never cuts the lights without warning. Nor does this server.',
  nameLabel: 'What shall we call you?',
  anotherName: 'Another name',
  nameHint: 'Latin letters, digits, “-” and “_”',
  nameBecomes: (name: string) => `You will be seen as ${name}`,
  nameMissing: 'A name is needed: Latin letters, digits, “-” or “_”.',
  tokenSummary: 'I have a token',
  tokenLabel: 'A token (JWT), if the server asks for one',
  connect: 'Come in',
  fromTerminal: 'Or from a terminal:',
  linkDocs: 'API',
  linkHealth: 'health',
  linkMetrics: 'metrics',

  idle: 'not connected',
  connecting: 'connecting…',
  online: 'connected',
  waiting: 'connection lost',
  ended: 'not connected',
  active: (count: number) => en(count, 'guest'),

  log: 'The conversation',
  quiet: 'It is quiet here. Say something first.',
  you: 'you',
  privately: 'to you alone',
  privatelyTo: (name: string) => `to ${name} alone`,
  newLines: (count: number) => `↓ ${count} new`,
  longer: (count: number) => `… ${count} more ${en(count, 'character')}`,
  queued: 'goes out once connected',
  sent: 'sent…',
  journaled: (offset: number) => `in the journal, № ${offset}`,
  delayed: 'waits its turn',
  unsure: 'unknown whether it arrived',
  again: 'Again',
  messageLabel: 'Message',
  messagePlaceholder: 'Say it to everybody…',
  messagePlaceholderTo: (name: string) => `Say it to ${name} alone…`,
  send: 'Send',
  recipient: (name: string) => `to ${name} alone`,
  recipientClear: 'Back to everybody',

  people: 'At the bar',
  peopleMore: (count: number) => `and ${count} more`,
  peopleUnheard: (count: number) => `${count} ${en(count, 'guest')}, not heard yet`,
  peopleNobody: 'Only you so far',
  tellPrivately: (name: string) => `Tell ${name} alone`,

  welcome: (name: string) => `Welcome, ${name}!`,
  recovered: 'Back together. Nothing was missed.',
  moved: 'Another server carries the conversation on. Nothing was missed.',
  notRecovered: 'Back together, but something said meanwhile is no longer kept.',
  joined: (names: readonly string[], count: number) =>
    `${list(names, count, (rest) => ` and ${rest} more`)} ${en(count, 'joins', 'join')}`,
  left: (names: readonly string[], count: number) =>
    `${list(names, count, (rest) => ` and ${rest} more`)} ${en(count, 'leaves', 'leave')}`,
  periodic: (active: number, uptime: string) =>
    `${active} ${en(active, 'guest')} · the server has been up for ${uptime}`,

  shutdownLabel: 'The server is shutting down',
  shutdownTitle: 'Last call',
  shutdownText: 'The server is shutting down. Finish in peace: the lights go off when all have left or the time is up.',
  shutdownSoonText: 'Closing any moment. If there is a last word, now is the time.',
  closingTitle: 'Closing',
  closingText: 'Everything taken is written down. Thank you for coming.',
  warningLine: (left: string) => `Last call: the server is shutting down, ${left} are left for everything.`,
  reminderLine: (left: string) => `${left} until closing.`,
  closingLine: 'The server is closing.',
  shutdownCancelled: 'The shutdown has been cancelled: you can stay.',

  now: 'Now',
  reconnect: 'Come in again',
  hereInstead: 'Go on here',
  toDoor: 'To the door',
  tryingAgain: (left: string) => `Trying again in ${left}.`,
  nextIn: (left: string) => `The next one goes in ${left}.`,
  tooManyWaiting: 'Too many messages are waiting for the connection.',
  unreachable: 'The server does not answer.',
  closed: (code: number) => `The connection was closed (code ${code}).`,
  closeCodes: {
    1000: 'You have left.',
    1001: 'The server has closed or is restarting.',
    1003: 'The server did not take this name or such a message.',
    1006: 'The connection broke.',
    1007: 'What was sent was not text.',
    1008: 'The server did not let you in.',
    1009: 'The message was too large.',
    1011: 'Something went wrong on the server.',
    1012: 'The server is restarting.',
    1013: 'There is no room left.',
    4001: 'You came in from somewhere else: the conversation goes on there.',
    4008: 'The connection was too slow: part of the conversation is no longer kept.',
    4009: 'This name is taken right now: choose another.',
    4010: 'The server has lost the stored conversation and begins a new one.',
  },
  errors: {
    bad_message: 'The server did not understand the message.',
    unknown_type: 'The server does not know such a message.',
    too_large: 'The message is too large.',
    rate_limited: 'Too many messages in a minute.',
    forbidden: 'You may not write here.',
    not_subscribed: 'You are not in this channel.',
    journal_unavailable: 'It can’t be written down right now: try again.',
    shutting_down: 'The server takes nothing more: it goes out after the return.',
    internal: 'Something went wrong on the server.',
  },
  second: 's',
  minute: 'min',
  hour: 'h',
  day: 'd',
}

const TEXTS = { uk: UK, en: EN } as const

export type Language = keyof typeof TEXTS

let language: Language = 'uk'

export const getLanguage = (): Language => language

export function setLanguage(wanted: unknown): void {
  language = wanted === 'en' ? 'en' : 'uk'
}

/** The first of the browser's languages that the page has texts in; English when it has texts in none of them. */
export function preferredLanguage(): Language {
  for (const tag of navigator.languages) {
    const [primary] = tag.toLowerCase().split('-')
    if (primary === 'uk' || primary === 'en') return primary
  }
  return 'en'
}

/** The texts in the language of the page. */
export const t = (): Texts => TEXTS[language]

/** The text that the markup names. */
export function markupText(name: string): string {
  const text: unknown = Object.entries(t()).find(([key]) => key === name)?.[1]
  if (typeof text !== 'string') throw new Error(`the page has no text ${name}`)
  return text
}

/** The end of a connection. */
export interface Ending {
  /** The close code; 1006: the connection ended without one. */
  readonly code: number
  readonly reason: string
  /** Whether the server had accepted the client. */
  readonly wasOpen: boolean
}

/** The text for a close code. The server's reason follows the text for 1008, which has several causes. */
export function closeText({ code, reason, wasOpen }: Ending): string {
  if (code === 1006 && !wasOpen) return t().unreachable
  const text = t().closeCodes[code] ?? t().closed(code)
  return code === 1008 && reason ? `${text} ${reason}.` : text
}

/** The text for an error code; `undefined` for a code that this page does not know. */
export const errorText = (code: string): string | undefined =>
  Object.hasOwn(t().errors, code) ? t().errors[code] : undefined

/** `12 с`, `3 хв`: rounded up, in one unit. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  if (seconds < 100) return `${seconds} ${t().second}`
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} ${t().minute}`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} ${t().hour}`
  return `${Math.round(seconds / 86400)} ${t().day}`
}

/** `29:58`, `1:02:03`. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  const two = (number: number): string => String(number).padStart(2, '0')
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`
}

const toTheMinute = { hour: '2-digit', minute: '2-digit' } as const
const CLOCKS = { uk: new Intl.DateTimeFormat('uk', toTheMinute), en: new Intl.DateTimeFormat('en-GB', toTheMinute) }

/** `20:14` of an ISO time or a number; empty when it is neither. */
export function clock(at: string | number): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return ''
  return CLOCKS[language].format(date)
}
