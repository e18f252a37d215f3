/**
 * The messages between a measurement and the process that loads an instance (`process.send`). The measurement sends one command
 * at a time, and the process answers each command with the state of the load.
 */
import { isRecord } from '../record.js'

export type LoadCommand =
  | {
      readonly command: 'open'
      /** The prefix of the clients' ids. */
      readonly name: string
      readonly port: number
      /** The numbers of the publishers of this process. */
      readonly own: readonly number[]
      /** The numbers of the publishers of all processes. */
      readonly allPublishers: readonly number[]
      /** Of a message's data, in bytes. */
      readonly size: number
    }
  /** `rate`: messages per second; 0: as many as the windows allow. */
  | { readonly command: 'start'; readonly rate: number }
  | { readonly command: 'sample' }
  /** Publishes nothing more. The process answers when every message is acknowledged. */
  | { readonly command: 'stop' }

export interface LoadState {
  /** How many messages this process has published so far. */
  readonly published: number
  /** How many messages its subscriber has received. */
  readonly delivered: number
  /** Of the order in which its subscriber received them. */
  readonly digest: number
  readonly faults: readonly string[]
}

/** The answer of a process that could not carry out a command. */
export interface LoadFailure {
  readonly error: string
}

export function isLoadCommand(value: unknown): value is LoadCommand {
  if (!isRecord(value)) return false
  switch (value['command']) {
    case 'open':
      return (
        typeof value['name'] === 'string' &&
        typeof value['port'] === 'number' &&
        isList(value['own'], isNumber) &&
        isList(value['allPublishers'], isNumber) &&
        typeof value['size'] === 'number'
      )
    case 'start':
      return typeof value['rate'] === 'number'
    case 'sample':
    case 'stop':
      return true
    default:
      return false
  }
}

export const isLoadState = (value: unknown): value is LoadState =>
  isRecord(value) &&
  typeof value['published'] === 'number' &&
  typeof value['delivered'] === 'number' &&
  typeof value['digest'] === 'number' &&
  isList(value['faults'], isString)

export const isLoadFailure = (value: unknown): value is LoadFailure =>
  isRecord(value) && typeof value['error'] === 'string'

const isNumber = (value: unknown): boolean => typeof value === 'number'
const isString = (value: unknown): boolean => typeof value === 'string'
const isList = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem)
