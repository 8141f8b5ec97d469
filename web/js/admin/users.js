import { KeyedList, build, table } from './build.js';
import { Pages, Place } from './place.js';
import { counted, moment } from './words.js';

const ROLES = ['user', 'moderator', 'admin'];

/** Accounts: searched, given roles, disabled. */
export class Users extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #rows;
  #form;

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('users', 'Users');
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/admin/users', 'users');
    const roles = ['', ...ROLES].map((role) => build('option', { value: role }, role || 'any role'));
    const states = [['', 'any state'], ['false', 'active'], ['true', 'disabled']];
    this.#form = build(
      'form',
      { class: 'filters', role: 'search' },
      field('Name or id', build('input', { name: 'q', id: 'user-q', type: 'search', 'data-testid': 'user-q', autocapitalize: 'none', spellcheck: 'false' })),
      field('Role', build('select', { name: 'role', id: 'user-role' }, ...roles)),
      field('State', build('select', { name: 'disabled', id: 'user-state' }, ...states.map(([value, words]) => build('option', { value }, words ?? '')))),
      build('button', { class: 'button', type: 'submit', 'data-testid': 'user-search' }, 'Search'),
    );
    this.#form.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#pages.restart();
      void this.#desk.look();
    });
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    const { element, body } = table('Accounts', ['Name', 'Role', 'State', 'Change', 'Made', 'Last seen', 'Id']);
    this.#rows = new KeyedList(body, (/** @type {any} */ user) => user.id, (user) => this.#row(user));
    this.content.append(this.#form, element, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const asked = [...new FormData(this.#form)].map(([name, value]) => [name, String(value).trim()]);
    const query = Object.fromEntries(asked.filter(([, value]) => value !== ''));
    const { items } = await this.#pages.read({ ...query, limit: '50' });
    this.#rows.show(items);
    this.say(items.length === 0 ? 'No account fits.' : `${counted(items.length, 'account', 'accounts')} shown.`);
  }

  /** @param {any} first */
  #row(first) {
    let user = first;
    const state = build('span', { class: 'badge' });
    const seen = build('td');
    const isMe = first.id === this.#desk.me.id;
    const role = build('select', { 'aria-label': `Role of ${first.username}`, 'data-testid': 'role-of', disabled: isMe }, ...ROLES.map((name) => build('option', { value: name }, name)));
    const toggle = build('button', { class: 'button small', type: 'button', 'data-testid': 'toggle-user', disabled: isMe });
    role.addEventListener('change', () => {
      const wanted = role.value;
      // It says what is until it is so.
      role.value = user.role;
      this.#alter(user, { role: wanted }, `Make ${user.username} ${wanted === 'admin' ? 'an' : 'a'} ${wanted}?`);
    });
    toggle.addEventListener('click', () => {
      this.#alter(user, { disabled: !user.disabled }, `${user.disabled ? 'Enable' : 'Disable'} ${user.username}?`);
    });
    const element = build(
      'tr',
      {},
      build('th', { scope: 'row' }, first.username),
      build('td', {}, role),
      build('td', {}, state),
      build('td', {}, isMe ? 'you' : toggle),
      build('td', {}, moment(first.created_at)),
      seen,
      build('td', { class: 'mono' }, first.id),
    );
    const update = (/** @type {any} */ fresh) => {
      user = fresh;
      role.value = fresh.role;
      state.textContent = fresh.disabled ? 'disabled' : 'active';
      state.className = `badge ${fresh.disabled ? 'bad' : 'good'}`;
      toggle.textContent = fresh.disabled ? 'Enable…' : 'Disable…';
      toggle.setAttribute('aria-label', `${fresh.disabled ? 'Enable' : 'Disable'} ${fresh.username}`);
      seen.textContent = fresh.online ? 'is here' : moment(fresh.last_seen_at);
    };
    return { element, update };
  }

  /**
   * @param {any} user
   * @param {object} changes
   * @param {string} title
   */
  #alter(user, changes, title) {
    this.#desk.confirm.ask({
      title,
      text: 'It acts at once: the logins of this account end everywhere, also a call that it is in.',
      yes: 'Do it',
      act: async () => {
        await this.#desk.request('PATCH', `/v1/admin/users/${encodeURIComponent(user.id)}`, changes);
        this.#desk.announce(`The account ${user.username} has been altered.`);
        await this.#desk.look();
      },
    });
  }
}

/**
 * @param {string} words
 * @param {HTMLElement} input With an id.
 */
export function field(words, input) {
  return build('div', { class: 'field' }, build('label', { for: input.id }, words), input);
}
