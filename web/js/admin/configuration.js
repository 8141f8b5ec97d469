import { build, table } from './build.js';
import { Place } from './place.js';
import { counted } from './words.js';

/** The configuration in force; the server masks secrets. */
export class Configuration extends Place {
  #desk;
  #warnings = build('ul', { class: 'cards' });
  #places = build('div', { class: 'cards' });

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('configuration', 'Configuration');
    this.#desk = desk;
    this.content.append(this.#warnings, this.#places);
  }

  /** @override */
  async refresh() {
    const { config, warnings } = await this.#desk.request('GET', '/v1/admin/config');
    this.#warnings.replaceChildren(...warnings.map((/** @type {string} */ text) => build('li', { class: 'card problem' }, text)));
    this.#places.replaceChildren(...Object.entries(config).map(([name, section]) => sectionView(name, section)));
    const words = warnings.length === 0 ? 'Nothing in it is unwise.' : counted(warnings.length, 'thing in it is unwise.', 'things in it are unwise.');
    this.say(`As it is in force now, secrets masked. ${words}`);
  }
}

/**
 * @param {string} name
 * @param {any} section
 */
function sectionView(name, section) {
  const { element, body } = table(`Section ${name}`, ['Key', 'Value']);
  for (const [key, value] of flatten('', section)) {
    body.append(build('tr', {}, build('th', { scope: 'row', class: 'mono' }, key), build('td', { class: 'mono' }, value)));
  }
  return build('section', { 'aria-label': name }, build('h3', { class: 'mono' }, `[${name}]`), element);
}

/**
 * @param {string} path
 * @param {any} value
 * @returns {[string, string][]}
 */
function flatten(path, value) {
  if (value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0) {
    return Object.entries(value).flatMap(([key, inner]) => flatten(path ? `${path}.${key}` : key, inner));
  }
  return [[path, typeof value === 'string' ? value || '""' : JSON.stringify(value)]];
}
