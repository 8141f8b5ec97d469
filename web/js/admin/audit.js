import { KeyedList, build, table } from './build.js';
import { Pages, Place } from './place.js';
import { counted, moment } from './words.js';

/** What moderators and admins did. */
export class Audit extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #rows;

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('audit', 'Audit');
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/admin/audit', 'deeds');
    const { element, body } = table('What moderators and admins did', ['When', 'Who', 'What', 'To whom or what', 'Details']);
    this.#rows = new KeyedList(body, (/** @type {any} */ deed) => String(deed.number), row);
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    this.content.append(element, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const { items } = await this.#pages.read({ limit: '50' });
    this.#rows.show(items);
    this.say(items.length === 0 ? 'Nothing has been done yet.' : `${counted(items.length, 'deed', 'deeds')} shown, the last first.`);
  }
}

/** @param {any} deed */
function row(deed) {
  const details = deed.details && Object.keys(deed.details).length > 0 ? JSON.stringify(deed.details) : '';
  const cells = [moment(deed.at, 'medium'), deed.by, deed.action, deed.subject, details];
  const element = build('tr', { 'data-testid': 'deed' }, ...cells.map((text, index) => build('td', index === 0 ? {} : { class: 'mono' }, text)));
  return { element, update: () => {} };
}
