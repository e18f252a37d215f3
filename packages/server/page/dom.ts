/**
 * Elements of the page: those of index.html by their ids, and new ones.
 */

/** The element of index.html with this id. @throws {Error} It is missing, or is of another type. */
export function byId<E extends Element>(id: string, type: abstract new () => E): E {
  const found: Element | null = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} with the id ${id}`)
  return found
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  made.className = className
  return made
}

/** The colour of a guest, the same on every page. */
export function hueOf(name: string): string {
  let hash = 7
  for (let index = 0; index < name.length; index += 1) hash = (hash * 31 + name.charCodeAt(index)) % 3600
  return String(hash % 360)
}
