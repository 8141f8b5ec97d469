import { KeyedList, build, table } from './build.js';
import { Pages, Place } from './place.js';
import { field } from './users.js';
import { counted, moment } from './words.js';

const KINDS = [['user', 'user'], ['device', 'device'], ['network', 'network']];
const ACTIONS = [['ban', 'ban'], ['mute', 'mute'], ['restrict', 'no matching'], ['warn', 'warn']];

/** Bans and lesser sanctions in force. */
export class Bans extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #rows;
  #form;
  #problem = build('p', { class: 'problem', role: 'alert' });

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('bans', 'Bans', 15_000);
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/bans', 'bans');
    const options = (/** @type {string[][]} */ list) => list.map(([value, words]) => build('option', { value }, words ?? ''));
    this.#form = build(
      'form',
      { class: 'filters' },
      field('Against a', build('select', { id: 'ban-kind', name: 'kind' }, ...options(KINDS))),
      field('Its name', build('input', { id: 'ban-name', name: 'name', required: true, autocapitalize: 'none', spellcheck: 'false' })),
      field('What', build('select', { id: 'ban-action', name: 'action' }, ...options(ACTIONS))),
      field('Why (it is told)', build('input', { id: 'ban-reason', name: 'reason', maxlength: '200' })),
      build('button', { class: 'button', type: 'submit' }, 'Put in force'),
    );
    this.#form.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#add();
    });
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    const { element, body } = table('Bans in force', ['Against', 'What', 'Why', 'Since', 'Until', 'By', 'Change']);
    this.#rows = new KeyedList(body, (/** @type {any} */ ban) => ban.id, (ban) => this.#row(ban));
    this.content.append(this.#form, this.#problem, element, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const { items } = await this.#pages.read({ limit: '50' });
    this.#rows.show(items);
    this.say(items.length === 0 ? 'Nobody is banned.' : `${counted(items.length, 'sanction', 'sanctions')} shown.`);
  }

  async #add() {
    const form = new FormData(this.#form);
    const of = (/** @type {string} */ name) => String(form.get(name) ?? '').trim();
    this.#problem.textContent = '';
    try {
      await this.#desk.request('POST', '/v1/bans', { [of('kind')]: of('name'), action: of('action'), reason: of('reason') });
    } catch (error) {
      this.#problem.textContent = error instanceof Error ? error.message : String(error);
      return;
    }
    this.#form.reset();
    this.#desk.announce('It is in force.');
    await this.#desk.look();
  }

  /** @param {any} ban */
  #row(ban) {
    const [kind, name] = ['user', 'device', 'network'].filter((one) => one in ban).flatMap((one) => [one, ban[one]]);
    const lift = build('button', { class: 'button small', type: 'button', 'aria-label': `Lift the ${ban.action} of ${name}`, onclick: () => this.#lift(ban, name) }, 'Lift…');
    const element = build(
      'tr',
      {},
      build('th', { scope: 'row', class: 'mono' }, `${kind} ${name}`),
      build('td', {}, ban.action),
      build('td', {}, ban.reason),
      build('td', {}, moment(ban.at)),
      build('td', {}, ban.until === null ? 'for good' : moment(ban.until)),
      build('td', { class: 'mono' }, ban.by),
      build('td', {}, lift),
    );
    return { element, update: () => {} };
  }

  /**
   * @param {any} ban
   * @param {string} name
   */
  #lift(ban, name) {
    this.#desk.confirm.ask({
      title: `Lift the ${ban.action}?`,
      text: `${name} may again what the ${ban.action} takes away.`,
      yes: 'Lift it',
      act: async () => {
        await this.#desk.request('DELETE', `/v1/bans/${encodeURIComponent(ban.id)}`);
        this.#desk.announce('It has been lifted.');
        await this.#desk.look();
        this.heading.focus();
      },
    });
  }
}
