/**
 * The texts for people, in Ukrainian and in English: `text`, an error's `message`, a close frame's reason. Programs read `type`
 * and `code`. Reasons fit into a close frame (123 bytes; a Cyrillic letter takes two).
 */
import type { ErrorCode } from './error-codes.js'
import type { Locale } from './locale.js'
import type { PresenceChange, ShutdownPhase } from './server-messages.js'

/** The reasons for which the server closes a connection. */
export type CloseReason =
  | 'shuttingDown'
  | 'invalidClientId'
  | 'binaryFrame'
  | 'unauthorized'
  | 'refused'
  | 'forbiddenOrigin'
  | 'forbiddenChannel'
  | 'tokenExpired'
  | 'tooManyBadMessages'
  | 'tooManyConnections'
  | 'rateLimited'
  | 'takenOver'
  | 'tooSlow'
  | 'idInUse'
  | 'journalReplaced'
  | 'journalUnavailable'
  | 'otherBuildReady'
  | 'unavailable'
  | 'internal'

export interface Texts {
  welcome(clientId: string, active: number): string
  /** One sentence or two for each channel; the channel is named where there are several. */
  presence(changes: readonly PresenceChange[]): string
  periodic(active: number, uptimeSeconds: number): string
  shutdown(phase: ShutdownPhase, deadlineInMs: number): string
  shutdownCancelled: string
  errors: Readonly<Record<ErrorCode, string>>
  reasons: Readonly<Record<CloseReason, string>>
}

const UK_PLURAL = new Intl.PluralRules('uk')
const EN_PLURAL = new Intl.PluralRules('en')

/** `5 хвилин`: the number and the word in the form that the number requires. */
const uk = (count: number, one: string, few: string, many: string): string => {
  const rule = UK_PLURAL.select(count)
  return `${String(count)} ${rule === 'one' ? one : rule === 'few' ? few : many}`
}

const en = (count: number, one: string): string =>
  `${String(count)} ${EN_PLURAL.select(count) === 'one' ? one : `${one}s`}`

type Unit = 'second' | 'minute' | 'hour'

/** A duration in one rounded unit. */
function spoken(ms: number, say: (count: number, unit: Unit) => string): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 90) return say(seconds, 'second')
  if (seconds < 90 * 60) return say(Math.round(seconds / 60), 'minute')
  return say(Math.round(seconds / 3600), 'hour')
}

const ukDuration = (ms: number): string =>
  spoken(ms, (count, unit) =>
    unit === 'second'
      ? uk(count, 'секунду', 'секунди', 'секунд')
      : unit === 'minute'
        ? uk(count, 'хвилину', 'хвилини', 'хвилин')
        : uk(count, 'годину', 'години', 'годин'),
  )

const enDuration = (ms: number): string => spoken(ms, (count, unit) => en(count, unit))

/** How many names a sentence lists before it counts the rest. */
const NAMES_IN_A_SENTENCE = 5

function names(ids: readonly string[], count: number, others: (rest: number) => string): string {
  const named = ids.slice(0, NAMES_IN_A_SENTENCE)
  return named.join(', ') + (count > named.length ? ` ${others(count - named.length)}` : '')
}

/** The limit of channels and names in a text. Programs read `changes`. */
const CHANNELS_IN_A_TEXT = 3

function eachChannel(changes: readonly PresenceChange[], textOf: (change: PresenceChange) => string): string {
  const told = changes.slice(0, CHANNELS_IN_A_TEXT)
  const parts = told.map((change) => (changes.length > 1 ? `${change.channel}: ${textOf(change)}` : textOf(change)))
  return parts.join(' ') + (changes.length > told.length ? ' …' : '')
}

const sentences = (...parts: readonly (string | false)[]): string => parts.filter(Boolean).join(' ')

export const TEXTS: Readonly<Record<Locale, Texts>> = {
  uk: {
    welcome: (clientId, active) => `Вітаємо, ${clientId}! Зараз на звʼязку: ${String(active)}.`,
    presence: (changes) =>
      eachChannel(changes, ({ joined, left, joinedCount, leftCount, count }) =>
        sentences(
          joinedCount > 0 && `Приєдналися: ${names(joined, joinedCount, (rest) => `та ще ${String(rest)}`)}.`,
          leftCount > 0 && `Вийшли: ${names(left, leftCount, (rest) => `та ще ${String(rest)}`)}.`,
          `Зараз на звʼязку: ${String(count)}.`,
        ),
      ),
    periodic: (active, uptimeSeconds) =>
      `Періодичне повідомлення: на звʼязку ${uk(active, 'клієнт', 'клієнти', 'клієнтів')}, сервер працює ${ukDuration(uptimeSeconds * 1000)}.`,
    shutdown: (phase, deadlineInMs) =>
      phase === 'closing'
        ? 'Сервер завершує роботу: зʼєднання закривається.'
        : `Сервер завершує роботу. Будь ласка, завершіть свої справи: зʼєднання закриється щонайпізніше за ${ukDuration(deadlineInMs)}.`,
    shutdownCancelled: 'Завершення роботи скасовано: можна залишатися.',
    errors: {
      bad_message: 'Повідомлення не відповідає протоколу.',
      unknown_type: 'Невідомий тип повідомлення.',
      too_large: 'Повідомлення завелике.',
      rate_limited: 'Забагато повідомлень: зачекайте трохи.',
      forbidden: 'Це вам не дозволено.',
      not_subscribed: 'Спершу підпишіться на цей канал.',
      journal_unavailable: 'Повідомлення не вдалося записати: спробуйте ще раз.',
      out_of_order: 'Повідомлення перед цим не прийнято: спершу надішліть його.',
      shutting_down: 'Зʼєднання закривається: повідомлення не прийнято.',
      internal: 'Внутрішня помилка сервера.',
    },
    reasons: {
      shuttingDown: 'Сервер завершує роботу. Підключіться ще раз.',
      invalidClientId: 'Недійсний clientId: 1–64 знаки a-z A-Z 0-9 _ -',
      binaryFrame: 'Приймаються лише текстові повідомлення',
      unauthorized: 'Потрібен дійсний токен',
      refused: 'Вхід не дозволено',
      forbiddenOrigin: 'Це джерело (Origin) не дозволене',
      forbiddenChannel: 'Ці канали вам недоступні',
      tokenExpired: 'Термін дії токена минув',
      tooManyBadMessages: 'Забагато хибних повідомлень поспіль',
      tooManyConnections: 'Забагато зʼєднань: спробуйте пізніше',
      rateLimited: 'Забагато запитів: спробуйте пізніше',
      takenOver: 'Ви підключилися з іншого місця',
      tooSlow: 'Непрочитане вже не зберігається',
      idInUse: 'Це імʼя вже зайняте',
      journalReplaced: 'Журнал замінено: підключіться ще раз',
      journalUnavailable: 'Журнал недоступний: спробуйте пізніше',
      otherBuildReady: 'Готова інша збірка: підключіться ще раз',
      unavailable: 'Зараз це неможливо перевірити: спробуйте пізніше',
      internal: 'Внутрішня помилка сервера',
    },
  },
  en: {
    welcome: (clientId, active) => `Welcome, ${clientId}! Connected now: ${String(active)}.`,
    presence: (changes) =>
      eachChannel(changes, ({ joined, left, joinedCount, leftCount, count }) =>
        sentences(
          joinedCount > 0 && `Joined: ${names(joined, joinedCount, (rest) => `and ${String(rest)} more`)}.`,
          leftCount > 0 && `Left: ${names(left, leftCount, (rest) => `and ${String(rest)} more`)}.`,
          `Connected now: ${String(count)}.`,
        ),
      ),
    periodic: (active, uptimeSeconds) =>
      `Periodic message: ${en(active, 'client')} connected, the server has been up for ${enDuration(uptimeSeconds * 1000)}.`,
    shutdown: (phase, deadlineInMs) =>
      phase === 'closing'
        ? 'The server is shutting down: this connection is being closed.'
        : `The server is shutting down. Please finish: the connection will be closed in ${enDuration(deadlineInMs)} at the latest.`,
    shutdownCancelled: 'The shutdown has been cancelled: you can stay.',
    errors: {
      bad_message: 'The message does not follow the protocol.',
      unknown_type: 'Unknown message type.',
      too_large: 'The message is too large.',
      rate_limited: 'Too many messages: please wait a little.',
      forbidden: 'You are not allowed to do this.',
      not_subscribed: 'Subscribe to this channel first.',
      journal_unavailable: 'The server could not store the message: please try again.',
      out_of_order: 'The server refused the message before this one: send that one first.',
      shutting_down: 'The server is closing this connection and refused the message.',
      internal: 'Internal server error.',
    },
    reasons: {
      shuttingDown: 'The server is shutting down. Please connect again.',
      invalidClientId: 'Invalid clientId: 1–64 of a-z A-Z 0-9 _ -',
      binaryFrame: 'The server accepts only text messages',
      unauthorized: 'A valid token is needed',
      refused: 'You are not allowed to connect',
      forbiddenOrigin: 'This origin is not allowed',
      forbiddenChannel: 'You have no access to these channels',
      tokenExpired: 'The token has expired',
      tooManyBadMessages: 'Too many wrong messages in a row',
      tooManyConnections: 'Too many connections: please try later',
      rateLimited: 'Too many requests: please try later',
      takenOver: 'You have connected from somewhere else',
      tooSlow: 'The server no longer retains your unread messages',
      idInUse: 'This name is taken',
      journalReplaced: 'The journal was replaced: please connect again',
      journalUnavailable: 'The journal is not available: please try later',
      otherBuildReady: 'Another build is ready: please connect again',
      unavailable: 'This cannot be checked right now: please try later',
      internal: 'Internal server error',
    },
  },
}
