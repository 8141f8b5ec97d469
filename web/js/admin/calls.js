import { KeyedList, build, factList, table, writeFacts } from './build.js';
import { Pages, Place } from './place.js';
import { bytes, counted, millis, moment, pathWords, short, span } from './words.js';

/** Characters of a reason that the banned are told. */
const BAN_REASON_MAX = 200;

/** Live calls: who is in them, how they fare, what the relay does for them; from here they are ended. */
export class Calls extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #list = build('ul', { class: 'cards', 'data-testid': 'calls' });
  #rows;
  /** Sessions whose relay figures are shown. @type {Set<string>} */
  #opened = new Set();
  /** @type {Map<string, any[]>} */
  #allocationsBySession = new Map();

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('calls', 'Live calls', 3_000);
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/admin/sessions', 'sessions');
    this.#rows = new KeyedList(this.#list, (/** @type {any} */ call) => call.session, () => this.#row());
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    this.content.append(this.#list, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const { items, first } = await this.#pages.read({ limit: '20' });
    const opened = items.map((call) => call.session).filter((session) => this.#opened.has(session));
    this.#opened = new Set(opened);
    this.#allocationsBySession = new Map(
      await Promise.all(
        opened.map(async (session) => {
          const query = new URLSearchParams({ session });
          const { allocations } = await this.#desk.request('GET', `/v1/admin/allocations?${query}`);
          return /** @type {const} */ ([session, allocations]);
        }),
      ),
    );
    this.#rows.show(items);
    this.say(first.total === 0 ? 'Nobody is in a call.' : counted(first.total, 'live call.', 'live calls.'));
  }

  #row() {
    /** @type {any} */
    let call = null;
    const title = build('h3', { class: 'mono' });
    const facts = factList({});
    const sides = [build('div', { class: 'side' }), build('div', { class: 'side' })];
    const relay = new RelayFigures();
    const open = build('button', { class: 'button small', type: 'button', 'data-testid': 'show-relay', 'aria-expanded': 'false' }, 'Relay figures');
    const end = build('button', { class: 'button small danger', type: 'button', 'data-testid': 'end-call' }, 'End call…');
    open.addEventListener('click', () => {
      if (!this.#opened.delete(call.session)) this.#opened.add(call.session);
      void this.#desk.look();
    });
    end.addEventListener('click', () => this.#end(call.session));
    const parts = sides.map((side, index) => ({
      side,
      badge: build('span', { class: 'badge' }),
      name: build('b', { class: 'mono' }),
      facts: factList({}),
      ban: build('button', { class: 'button small danger', type: 'button', onclick: () => this.#ban(call.sides[index].user) }, 'Ban…'),
    }));
    for (const { side, badge, name, facts: own, ban } of parts) {
      side.append(build('div', { class: 'row spread' }, build('div', { class: 'row' }, name, badge), ban), own);
    }
    const element = build(
      'li',
      { class: 'card', 'data-testid': 'call' },
      build('div', { class: 'row spread' }, title, build('div', { class: 'row' }, open, end)),
      facts,
      build('div', { class: 'sides' }, ...sides),
      relay.element,
    );
    const update = (/** @type {any} */ fresh) => {
      call = fresh;
      title.textContent = fresh.session;
      element.setAttribute('data-session', fresh.session);
      open.setAttribute('aria-label', `Relay figures of call ${fresh.session}`);
      end.setAttribute('aria-label', `End call ${fresh.session}`);
      writeFacts(facts, {
        Began: moment(fresh.started_at),
        Lasts: span(Date.now() - fresh.started_at),
        'Ends by itself': fresh.deadline === null ? 'never' : `in ${span(fresh.deadline - Date.now())}`,
        'In common': fresh.tags_common.join(', ') || '–',
        Language: fresh.language ?? '–',
      });
      fresh.sides.forEach((/** @type {any} */ side, /** @type {number} */ index) => {
        const part = parts[index];
        if (!part) return;
        part.name.textContent = side.user;
        part.ban.setAttribute('aria-label', `Ban ${side.user}`);
        part.badge.textContent = side.presence;
        part.badge.className = `badge ${side.presence === 'online' ? 'good' : 'bad'}`;
        writeFacts(part.facts, {
          State: side.state ?? '–',
          Path: pathWords(side.path),
          'Set up in': millis(side.setup_ms),
          Quality: side.quality ? `${Math.round(side.quality.score)} of 100` : '–',
          'Round trip': millis(side.quality?.rtt_ms),
          Lost: typeof side.quality?.loss === 'number' ? `${(side.quality.loss * 100).toFixed(1)} %` : '–',
        });
      });
      const isOpen = this.#opened.has(fresh.session);
      open.setAttribute('aria-expanded', String(isOpen));
      relay.show(this.#allocationsBySession.get(fresh.session));
    };
    return { element, update };
  }

  /** @param {string} user */
  #ban(user) {
    this.#desk.confirm.ask({
      title: 'Ban this user?',
      text: `${user} is thrown out at once and kept out for good; the call ends. The other side is not. A ban is lifted under Bans.`,
      yes: 'Ban the user',
      asksWhy: true,
      act: async (reason) => {
        await this.#desk.request('POST', '/v1/bans', { user, action: 'ban', reason: reason.slice(0, BAN_REASON_MAX) });
        this.#desk.announce('The user has been banned.');
        await this.#desk.look();
        this.heading.focus();
      },
    });
  }

  /** @param {string} session */
  #end(session) {
    this.#desk.confirm.ask({
      title: 'End this call?',
      text: `Both sides of ${session} are told that a moderator ended it. Its relay allocations and credentials are gone at once.`,
      yes: 'End the call',
      asksWhy: true,
      act: async (reason) => {
        const why = reason ? { reason } : {};
        await this.#desk.request('POST', `/v1/admin/sessions/${encodeURIComponent(session)}/end`, why);
        this.#desk.announce('The call has been ended.');
        await this.#desk.look();
        this.heading.focus();
      },
    });
  }
}

/** Columns of what the relay does for one call. */
const COLUMNS = ['Transport', 'Relayed address', 'Client', 'Packets', 'Carried', 'Discarded'];

/** What the relay does for one call, each allocation for itself. */
class RelayFigures {
  #words = build('p', { class: 'muted' });
  #rows;
  #table;

  constructor() {
    const { element, body } = table('Relay allocations of this call', COLUMNS);
    this.#table = element;
    this.#rows = new KeyedList(body, (/** @type {any} */ one) => one.id, allocationRow);
    this.element = build('div', { class: 'relay', 'data-testid': 'relay-figures', hidden: true }, this.#words, element);
  }

  /** @param {any[] | undefined} allocations Undefined: nobody wants to see them. */
  show(allocations) {
    this.element.hidden = allocations === undefined;
    if (!allocations) return;
    const idle = allocations.filter((one) => carried(one).packets === 0).length;
    this.#words.textContent = allocations.length === 0
      ? 'No allocation: nothing of this call is relayed.'
      : `${counted(allocations.length, 'allocation', 'allocations')}, ${idle} of them idle.`;
    this.#table.hidden = allocations.length === 0;
    // The busiest first: the others are what browsers keep in reserve.
    this.#rows.show([...allocations].sort((a, b) => carried(b).packets - carried(a).packets));
  }
}

function allocationRow() {
  const cells = COLUMNS.map((_, index) => build('td', { class: index > 2 ? 'number' : 'mono' }));
  const element = build('tr', { 'data-testid': 'relay-allocation' }, ...cells);
  const update = (/** @type {any} */ one) => {
    const { packets, bytes: total } = carried(one);
    const told = [one.transport.toUpperCase(), one.relayed.join(', '), one.client, short(packets), bytes(total), short(one.dropped)];
    told.forEach((text, index) => {
      const cell = cells[index];
      if (cell) cell.textContent = text;
    });
    element.dataset.packets = String(packets);
  };
  return { element, update };
}

/**
 * What went either way through an allocation.
 *
 * @param {any} one
 * @returns {{ packets: number, bytes: number }}
 */
export function carried(one) {
  const ways = [one.to_peers, one.to_client, one.handed_out, one.handed_in];
  return {
    packets: ways.reduce((sum, way) => sum + way.packets, 0),
    bytes: ways.reduce((sum, way) => sum + way.bytes, 0),
  };
}
