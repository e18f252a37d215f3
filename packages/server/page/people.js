/**
 * The guests in the lobby: those that the welcome names, and everybody who has joined or spoken since. A press on a name
 * chooses the recipient of direct messages.
 */
import { element, hueOf } from './log.js'
import { t } from './texts.js'

/** The newest come first; older ones than these are forgotten. */
const MAX_KNOWN = 60

export class People {
  #list
  #more
  #onChoose
  #items = new Map()
  #self = ''
  #active = 0

  constructor({ list, more, onChoose }) {
    this.#list = list
    this.#more = more
    this.#onChoose = onChoose
  }

  /** A new beginning: only this client is known. */
  reset(self) {
    this.#self = self
    this.#items.clear()
    this.#list.replaceChildren()
  }

  heard(name) {
    if (name === this.#self || this.#items.has(name)) return
    const item = this.#person(name)
    this.#items.set(name, item)
    this.#list.prepend(item)
    if (this.#items.size > MAX_KNOWN) this.gone(this.#items.keys().next().value)
    this.#writeMore()
  }

  gone(name) {
    this.#items.get(name)?.remove()
    this.#items.delete(name)
    this.#writeMore()
  }

  /** How many there are altogether, this client among them. */
  setActive(active) {
    this.#active = active
    this.#writeMore()
  }

  /** After a change of language. */
  rewrite() {
    for (const [name, item] of this.#items) item.firstElementChild.title = t('tellPrivately', name)
    this.#writeMore()
  }

  #writeMore() {
    const known = this.#items.size
    const more = Math.max(0, this.#active - 1 - known)
    this.#more.hidden = known > 0 && more === 0
    this.#more.textContent = t(known > 0 ? 'peopleMore' : more > 0 ? 'peopleUnheard' : 'peopleNobody', more)
  }

  #person(name) {
    const item = element('li', 'person')
    const button = element('button', 'person-button')
    const face = element('span', 'face')
    const label = element('span', 'person-name')
    button.type = 'button'
    button.dataset.person = name
    button.title = t('tellPrivately', name)
    button.style.setProperty('--hue', hueOf(name))
    face.textContent = name.charAt(0).toUpperCase()
    face.setAttribute('aria-hidden', 'true')
    label.textContent = name
    button.append(face, label)
    button.addEventListener('click', () => this.#onChoose(name))
    item.append(button)
    return item
  }
}
