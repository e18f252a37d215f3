/**
 * The guests in the lobby: those that the welcome names, and those that have joined or published since. A click on a name
 * chooses the recipient of direct messages.
 */
import { element, hueOf } from './dom.js'
import { t } from './texts.js'

/** The limit of listed guests. The newest come first, and the list drops the oldest. */
const MAX_KNOWN = 60

export interface PeopleOptions {
  readonly list: HTMLElement
  /** Shows the number of guests that the list does not name. */
  readonly more: HTMLElement
  readonly onChoose: (name: string) => void
}

interface Person {
  readonly item: HTMLElement
  readonly button: HTMLElement
}

export class People {
  readonly #list: HTMLElement
  readonly #more: HTMLElement
  readonly #onChoose: (name: string) => void
  readonly #people = new Map<string, Person>()
  #self = ''
  #active = 0

  constructor({ list, more, onChoose }: PeopleOptions) {
    this.#list = list
    this.#more = more
    this.#onChoose = onChoose
  }

  /** Starts anew with this client alone. */
  reset(self: string): void {
    this.#self = self
    this.#people.clear()
    this.#list.replaceChildren()
  }

  heard(name: string): void {
    if (name === this.#self || this.#people.has(name)) return
    const person = this.#person(name)
    this.#people.set(name, person)
    this.#list.prepend(person.item)
    const [oldest] = this.#people.keys()
    if (oldest !== undefined && this.#people.size > MAX_KNOWN) this.gone(oldest)
    this.#writeMore()
  }

  gone(name: string): void {
    this.#people.get(name)?.item.remove()
    this.#people.delete(name)
    this.#writeMore()
  }

  /** The number of all guests, this client included. */
  setActive(active: number): void {
    this.#active = active
    this.#writeMore()
  }

  /** Writes the texts again after a change of language. */
  rewrite(): void {
    for (const [name, { button }] of this.#people) button.title = t().tellPrivately(name)
    this.#writeMore()
  }

  #writeMore(): void {
    const known = this.#people.size
    const more = Math.max(0, this.#active - 1 - known)
    this.#more.hidden = known > 0 && more === 0
    if (known > 0) this.#more.textContent = t().peopleMore(more)
    else this.#more.textContent = more > 0 ? t().peopleUnheard(more) : t().peopleNobody
  }

  #person(name: string): Person {
    const item = element('li', 'person')
    const button = element('button', 'person-button')
    const face = element('span', 'face')
    const label = element('span', 'person-name')
    button.type = 'button'
    button.dataset['person'] = name
    button.title = t().tellPrivately(name)
    button.style.setProperty('--hue', hueOf(name))
    face.textContent = name.charAt(0).toUpperCase()
    face.setAttribute('aria-hidden', 'true')
    label.textContent = name
    button.append(face, label)
    button.addEventListener('click', () => this.#onChoose(name))
    item.append(button)
    return { item, button }
  }
}
