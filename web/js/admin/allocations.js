import { KeyedList, build, table } from './build.js';
import { carried } from './calls.js';
import { Pages, Place } from './place.js';
import { bytes, counted, short, span } from './words.js';

const COLUMNS = ['Client', 'Relayed', 'Way', 'Session', 'Age', 'Left', 'Allowed', 'Packets', 'Carried', 'Discarded', 'Change'];

/** Everything the relay holds. */
export class Allocations extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #rows;

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('allocations', 'Allocations', 5_000);
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/admin/allocations', 'allocations');
    const { element, body } = table('Live allocations of the relay', COLUMNS);
    this.#rows = new KeyedList(body, (/** @type {any} */ one) => one.id, (one) => this.#row(one));
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
    const words = counted(items.length, 'allocation', 'allocations');
    this.say(items.length === 0 ? 'The relay holds nothing.' : `${words} shown${this.#pages.more.hidden ? '.' : ', there are more.'}`);
  }

  /** @param {any} first */
  #row(first) {
    const cells = COLUMNS.slice(0, -1).map((column) => {
      return build('td', ['Packets', 'Carried', 'Discarded', 'Age', 'Left'].includes(column) ? { class: 'number' } : { class: 'mono' });
    });
    const end = build(
      'button',
      { class: 'button small danger', type: 'button', 'aria-label': `End the allocation of ${first.client}`, onclick: () => this.#end(first) },
      'End…',
    );
    const element = build('tr', {}, ...cells, build('td', {}, end));
    const update = (/** @type {any} */ one) => {
      const { packets, bytes: total } = carried(one);
      const told = [
        one.client,
        one.relayed.join(', '),
        one.transport.toUpperCase(),
        one.session ?? `user ${one.user_hash}`,
        span(one.age_ms),
        span(one.expires_at - Date.now()),
        `${one.permissions} perm., ${one.channels} chan.`,
        short(packets),
        bytes(total),
        short(one.dropped),
      ];
      told.forEach((text, index) => {
        const cell = cells[index];
        if (cell && cell.textContent !== text) cell.textContent = text;
      });
    };
    return { element, update };
  }

  /** @param {any} one */
  #end(one) {
    this.#desk.confirm.ask({
      title: 'End this allocation?',
      text: `${one.client} loses its relayed address. Its credential stays good, so it may ask for another one; to prevent that, end the call.`,
      yes: 'End the allocation',
      act: async () => {
        await this.#desk.request('POST', `/v1/admin/allocations/${encodeURIComponent(one.id)}/end`);
        this.#desk.announce('The allocation has been ended.');
        await this.#desk.look();
        this.heading.focus();
      },
    });
  }
}
