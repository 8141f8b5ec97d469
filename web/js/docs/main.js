import { build } from '../admin/build.js';
import { element } from '../page.js';
import { messages, operations } from './contract.js';
import { Schemas } from './schema.js';

/** @typedef {import('./contract.js').Entry} Entry */

/** How long typing has to rest before the search begins. */
const REST_MS = 120;

watchErrors();
const search = element('search');
/** @type {number | undefined} */
let rest;

element('search-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  find();
});
search.addEventListener('input', () => {
  clearTimeout(rest);
  rest = setTimeout(find, REST_MS);
});
window.addEventListener('hashchange', openNamed);

/** Entries with the elements that show them, and what a search looks at. @type {{ entry: Entry, shown: any, text: string }[]} */
let all = [];

try {
  const [openapi, asyncapi] = await Promise.all(['/openapi.json', '/asyncapi.json'].map(load));
  const ofRest = new Schemas(openapi.components.schemas);
  const ofSocket = new Schemas(asyncapi.components.schemas);
  element('version').textContent = openapi.info.version;
  all = [
    ...operations(openapi).map((entry) => ({ entry, shown: show(entry, ofRest), text: textOf(entry, ofRest) })),
    ...messages(asyncapi).map((entry) => ({ entry, shown: show(entry, ofSocket), text: textOf(entry, ofSocket) })),
  ];
  const groups = [...new Set(all.map(({ entry }) => entry.group))];
  groups.forEach((name, index) => showGroup(name, `group-${index}`));
  find();
  document.body.dataset.state = 'shown';
  openNamed();
} catch (error) {
  element('problem').textContent = `The documents cannot be read: ${error instanceof Error ? error.message : error}`;
  document.body.dataset.state = 'failed';
}

/** @param {string} path @returns {Promise<any>} */
async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/**
 * All that a search looks at, in lower case.
 *
 * @param {Entry} entry
 * @param {Schemas} schemas
 */
function textOf({ group, id, verb, name, summary, about, facts, parts }, schemas) {
  const told = parts.flatMap(({ title, says, schema }) => [title, says, schemas.words(schema)]);
  return [group, id, verb, name, summary, about, ...facts, ...told].join(' ').toLowerCase();
}

/**
 * @param {string} name
 * @param {string} id
 */
function showGroup(name, id) {
  const own = all.filter(({ entry }) => entry.group === name).map(({ shown }) => shown);
  const heading = build('h2', { id: `${id}-title`, tabindex: '-1' }, name);
  element('entries').append(build('section', { class: 'group', id, 'aria-labelledby': `${id}-title` }, heading, ...own));
  element('groups').append(build('a', { href: `#${id}` }, name));
}

/**
 * @param {Entry} entry
 * @param {Schemas} schemas
 */
function show(entry, schemas) {
  const { id, verb, isSent, name, summary } = entry;
  const head = build(
    'summary',
    {},
    build('span', { class: isSent ? 'verb send' : 'verb' }, verb),
    build('code', {}, name),
    build('span', { class: 'about' }, summary),
  );
  const shown = build('details', { class: 'entry', id, 'data-testid': 'entry' }, head);
  // Most are never opened.
  shown.addEventListener('toggle', () => {
    if (shown.open && shown.childElementCount === 1) shown.append(body(entry, schemas));
  });
  return shown;
}

/**
 * @param {Entry} entry
 * @param {Schemas} schemas
 */
function body({ about, facts, parts, example }, schemas) {
  const told = [about, ...facts].filter((line) => line !== '').map((line) => build('p', {}, line));
  const shown = parts.map(({ title, says, schema }) => {
    const words = says === '' ? null : build('p', {}, says);
    return build('div', { class: 'part' }, build('h3', {}, title), words, ...(schema ? schemas.show(schema) : []));
  });
  const wire = example && build('pre', { tabindex: '0', role: 'region', 'aria-label': 'Example' }, JSON.stringify(example, null, 2));
  const last = wire ? [build('div', { class: 'part' }, build('h3', {}, 'Example'), wire)] : [];
  return build('div', { class: 'body' }, ...told, ...shown, ...last);
}

/** Shows only what has every word that is searched for. */
function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { shown, text } of all) {
    const isFound = words.every((/** @type {string} */ word) => text.includes(word));
    shown.hidden = !isFound;
    if (isFound) count += 1;
  }
  for (const group of element('entries').children) {
    group.hidden = [...group.querySelectorAll('.entry')].every((entry) => entry.hidden);
  }
  element('count').textContent = count === all.length ? `${count} entries` : `${count} of ${all.length} entries`;
}

/** Opens what the address names. */
function openNamed() {
  const id = location.hash.slice(1);
  const named = all.find(({ entry }) => entry.id === id);
  if (!named) {
    document.getElementById(`${id}-title`)?.focus();
    return;
  }
  if (named.shown.hidden) {
    search.value = '';
    find();
  }
  named.shown.open = true;
  named.shown.scrollIntoView();
  named.shown.querySelector('summary').focus();
}

/** Keeps what goes wrong, for tests and for bug reports. */
function watchErrors() {
  /** @type {string[]} */
  const kept = [];
  const note = (/** @type {string} */ text) => kept.length < 50 && kept.push(text);
  window.addEventListener('error', (event) => note(`error: ${event.message}`));
  window.addEventListener('unhandledrejection', (event) => note(`rejection: ${event.reason}`));
  document.addEventListener('securitypolicyviolation', (event) => note(`csp: ${event.violatedDirective} ${event.blockedURI}`));
  Object.defineProperty(window, 'duologueDebug', { get: () => ({ screen: document.body.dataset.state, errors: [...kept] }) });
}
