import { build } from './build.js';

/**
 * What every place of the desk is given.
 *
 * @typedef {object} Desk
 * @property {import('./account.js').Account['request']} request
 * @property {(path: string) => Promise<Blob>} blob Asks for what is no JSON.
 * @property {import('./account.js').User} me
 * @property {import('./confirm.js').Confirm} confirm
 * @property {(text: string) => void} announce Says what has been done.
 * @property {() => Promise<void>} look Looks at the server anew; what goes wrong is shown.
 */

/** One section of the desk: a heading, a line about what is there, and what it shows. */
export class Place {
  #status = build('p', { class: 'status', role: 'status', 'aria-live': 'polite' });

  /**
   * @param {string} id
   * @param {string} title
   * @param {number} [everyMs] How often it is looked at anew while it is shown; 0: only when it is opened.
   */
  constructor(id, title, everyMs = 0) {
    this.id = id;
    this.title = title;
    this.everyMs = everyMs;
    this.heading = build('h2', { id: `${id}-title`, tabindex: '-1' }, title);
    /** What stands beside the heading. */
    this.tools = build('div', { class: 'row' });
    /** What the place shows. */
    this.content = build('div');
    this.element = build(
      'section',
      { class: 'place', id, 'aria-labelledby': `${id}-title`, 'data-testid': `place-${id}`, hidden: true },
      build('header', {}, this.heading, this.tools),
      this.#status,
      this.content,
    );
  }

  /** Looks at the server anew. */
  async refresh() {}

  /**
   * Says what is there, once for each change: a screen reader hears it.
   *
   * @param {string} text
   */
  say(text) {
    if (this.#status.textContent !== text) this.#status.textContent = text;
  }
}

/**
 * Pages of something, all those that were asked for so far.
 *
 * @template Item
 */
export class Pages {
  #request;
  #path;
  #list;
  #wanted = 1;

  /**
   * @param {import('./account.js').Account['request']} request
   * @param {string} path Without a query.
   * @param {string} list The name of the list in the answers.
   */
  constructor(request, path, list) {
    this.#request = request;
    this.#path = path;
    this.#list = list;
    this.more = build('button', { class: 'button small more', type: 'button', hidden: true }, 'Show more');
  }

  /** Begins with one page again. */
  restart() {
    this.#wanted = 1;
  }

  /** Wants one page more from now on. */
  widen() {
    this.#wanted += 1;
  }

  /**
   * @param {Record<string, string>} [query]
   * @returns {Promise<{ items: Item[], first: any }>} With the first answer, which may tell more.
   */
  async read(query = {}) {
    /** @type {Item[]} */
    const items = [];
    let first = null;
    let next = null;
    for (let page = 0; page < this.#wanted; page += 1) {
      const asked = new URLSearchParams(next === null ? query : { ...query, after: next });
      const answer = await this.#request('GET', `${this.#path}?${asked}`);
      first ??= answer;
      items.push(...answer[this.#list]);
      next = answer.next === null ? null : String(answer.next);
      if (next === null) break;
    }
    this.more.hidden = next === null;
    return { items, first };
  }
}
