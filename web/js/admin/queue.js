import { KeyedList, build, table } from './build.js';
import { Pages, Place } from './place.js';
import { counted, span } from './words.js';

const COLUMNS = ['Who', 'Waits', 'Looks for', 'Topics', 'Languages', 'Region', 'State'];
/** What a ticket does without, by its level. */
const LEVELS = ['everything counts', 'any topic', 'any region', 'any language', 'people met lately, too'];

/** Those who wait for a partner. */
export class Queue extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #rows;

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('queue', 'Queue', 3_000);
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/admin/queue', 'waiting');
    const { element, body } = table('People who wait for a partner', COLUMNS);
    this.#rows = new KeyedList(body, (/** @type {any} */ one) => one.user, row);
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    this.content.append(element, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const { items, first } = await this.#pages.read({ limit: '50' });
    this.#rows.show(items);
    this.say(first.total === 0 ? 'Nobody waits.' : `${counted(first.total, 'person waits', 'people wait')}; who came first is first.`);
  }
}

function row() {
  const cells = COLUMNS.map((_, index) => build('td', { class: index === 0 ? 'mono' : index === 1 ? 'number' : '' }));
  const element = build('tr', { 'data-testid': 'waiting' }, ...cells);
  const update = (/** @type {any} */ one) => {
    const told = [
      one.user,
      span(Date.now() - one.since),
      one.size === 2 ? one.mode : `${one.mode}, group of ${one.size}`,
      one.tags.join(', ') || 'any',
      one.languages.join(', ') || 'any',
      one.region ?? 'any',
      one.lost ? 'its socket is lost' : (LEVELS[one.level ?? 0] ?? ''),
    ];
    told.forEach((text, index) => {
      const cell = cells[index];
      if (cell && cell.textContent !== text) cell.textContent = text;
    });
  };
  return { element, update };
}
