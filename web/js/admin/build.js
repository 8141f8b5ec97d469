/**
 * Makes an element. Text goes in as text, whatever it holds.
 *
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `on…` are listeners, false leaves an attribute out, `true` writes an empty one.
 * @param {...(Node | string | null)} children
 * @returns {any} Typed loosely: each caller knows its own element.
 */
export function build(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * A list of terms and what they are; what is null is left out.
 *
 * @param {Record<string, Node | string | null | undefined>} facts
 */
export function factList(facts) {
  const list = build('dl', { class: 'facts' });
  writeFacts(list, facts);
  return list;
}

/**
 * Writes into a list made by `factList` what has changed, and leaves the rest alone.
 *
 * @param {HTMLElement} list
 * @param {Parameters<typeof factList>[0]} facts
 */
export function writeFacts(list, facts) {
  const entries = Object.entries(facts).filter(([, fact]) => fact !== null && fact !== undefined);
  const terms = [...list.querySelectorAll('dt')].map((term) => term.textContent);
  if (terms.join('\n') !== entries.map(([term]) => term).join('\n')) {
    list.replaceChildren(...entries.map(([term]) => build('div', {}, build('dt', {}, term), build('dd'))));
  }
  const places = list.querySelectorAll('dd');
  entries.forEach(([, fact], index) => {
    const place = places[index];
    if (!place) return;
    if (typeof fact === 'string') {
      if (place.textContent !== fact) place.textContent = fact;
    } else {
      place.replaceChildren(/** @type {Node} */ (fact));
    }
  });
}

/**
 * A list whose entries stay the same elements while what they tell changes, so that nobody loses the focus or the place.
 *
 * @template Item
 */
export class KeyedList {
  #container;
  #key;
  #make;
  /** @type {Map<string, { element: Element, update: (item: Item) => void }>} */
  #rowByKey = new Map();

  /**
   * @param {Element} container
   * @param {(item: Item) => string} key
   * @param {(item: Item) => { element: Element, update: (item: Item) => void }} make
   */
  constructor(container, key, make) {
    this.#container = container;
    this.#key = key;
    this.#make = make;
  }

  /** @param {Item[]} items */
  show(items) {
    const before = this.#rowByKey;
    this.#rowByKey = new Map();
    for (const item of items) {
      const key = this.#key(item);
      const row = before.get(key) ?? this.#make(item);
      row.update(item);
      this.#rowByKey.set(key, row);
    }
    for (const [key, row] of before) if (!this.#rowByKey.has(key)) row.element.remove();
    let at = this.#container.firstElementChild;
    for (const { element } of this.#rowByKey.values()) {
      // Moving an element would take the focus away: only those out of place are moved.
      if (element === at) at = at.nextElementSibling;
      else this.#container.insertBefore(element, at);
    }
  }
}

/**
 * A table that scrolls by itself where the window is narrow.
 *
 * @param {string} caption
 * @param {string[]} columns
 * @returns {{ element: HTMLElement, body: HTMLElement }}
 */
export function table(caption, columns) {
  const body = build('tbody');
  const head = build('tr', {}, ...columns.map((column) => build('th', { scope: 'col' }, column)));
  const words = build('caption', { class: 'visually-hidden' }, caption);
  const element = build(
    'div',
    { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': caption },
    build('table', {}, words, build('thead', {}, head), body),
  );
  return { element, body };
}
