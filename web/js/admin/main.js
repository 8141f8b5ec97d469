import { DuologueError } from '/sdk/errors.js';
import { announce, element, showNotice } from '../page.js';
import { Account } from './account.js';
import { Allocations } from './allocations.js';
import { Appeals } from './appeals.js';
import { Audit } from './audit.js';
import { Bans } from './bans.js';
import { build } from './build.js';
import { Calls } from './calls.js';
import { Configuration } from './configuration.js';
import { Confirm } from './confirm.js';
import { Overview } from './overview.js';
import { Queue } from './queue.js';
import { Reports } from './reports.js';
import { Rooms } from './rooms.js';
import { Users } from './users.js';

/** How long a word about what was done stays. */
const NOTICE_MS = 6_000;
const SCREENS = ['login', 'refused', 'desk'];
/** Places by role; who is neither has none. */
const PLACES = {
  admin: [Overview, Calls, Rooms, Queue, Allocations, Reports, Appeals, Bans, Users, Audit, Configuration],
  moderator: [Reports, Appeals, Bans],
};

watchErrors();
const account = new Account(() => show('login', 'You have been logged out.'));
const confirm = new Confirm();
/** @type {import('./place.js').Place[]} */
let places = [];
/** @type {import('./place.js').Place | null} */
let shown = null;
/** @type {number | undefined} */
let timer;
/** @type {number | undefined} */
let noticeTimer;

element('login').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  void logIn();
});
for (const id of ['log-out', 'refused-log-out']) element(id).addEventListener('click', () => logOut());
window.addEventListener('hashchange', () => openPlace());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && shown) void look();
});

if (account.isKept) void enter();
else show('login');

async function logIn() {
  const [username, password] = [element('username'), element('password')];
  element('login-problem').textContent = '';
  element('log-in').disabled = true;
  try {
    await account.logIn(username.value, password.value);
    password.value = '';
    await enter();
  } catch (error) {
    element('login-problem').textContent = wordsOf(error);
    password.select();
  } finally {
    element('log-in').disabled = false;
  }
}

/** Shows what the role of whoever is logged in may see. */
async function enter() {
  let me;
  try {
    me = await account.me();
  } catch (error) {
    show('login', account.isKept ? wordsOf(error) : '');
    return;
  }
  element('who-name').textContent = account.name;
  element('who-role').textContent = me.role;
  const own = me.role === 'user' ? [] : PLACES[me.role];
  if (own.length === 0) return show('refused');
  /** @type {import('./place.js').Desk} */
  const desk = { request: (...asked) => account.request(...asked), blob: (path) => account.blob(path), me, confirm, announce: tell, look };
  places = own.map((One) => new One(desk));
  element('places').replaceChildren(...places.map((place) => place.element));
  element('sections').replaceChildren(
    ...places.map(({ id, title }) => build('li', {}, build('a', { href: `#${id}`, 'data-testid': `go-${id}` }, title))),
  );
  show('desk');
  openPlace();
}

async function logOut() {
  await account.logOut();
  show('login');
}

/** Opens the place that the address names; if it names none, the one that is open stays, or the first is opened. */
function openPlace() {
  const place = places.find(({ id }) => `#${id}` === location.hash) ?? shown ?? places[0];
  if (!place || document.body.dataset.state !== 'desk') return;
  const isChange = shown !== null && shown !== place;
  shown = place;
  for (const one of places) one.element.hidden = one !== place;
  for (const link of element('sections').querySelectorAll('a')) {
    if (link.getAttribute('href') === `#${place.id}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${place.title} · Duologue`;
  if (isChange) place.heading.focus();
  void look();
}

/** Looks at the place that is shown, now and as often as it wants. */
async function look() {
  clearTimeout(timer);
  const place = shown;
  if (!place) return;
  try {
    await place.refresh();
  } catch (error) {
    if (shown === place) place.say(wordsOf(error));
  }
  // Meanwhile another may have been opened, which looks for itself.
  if (shown !== place || place.everyMs === 0) return;
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (!document.hidden) void look();
  }, place.everyMs);
}

/**
 * @param {'login' | 'refused' | 'desk'} screen
 * @param {string} [problem]
 */
function show(screen, problem = '') {
  for (const one of SCREENS) element(`screen-${one}`).hidden = one !== screen;
  document.body.dataset.state = screen;
  element('who').hidden = screen === 'login';
  element('login-problem').textContent = problem;
  if (screen !== 'desk') {
    clearTimeout(timer);
    shown = null;
    places = [];
    element('places').replaceChildren();
    document.title = 'Duologue · administration';
  }
  if (screen === 'login') element('username').focus();
  else element(`screen-${screen}`).querySelector('h1').focus();
}

/** @param {string} text What has been done. */
function tell(text) {
  announce(text);
  showNotice(text);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => showNotice(null), NOTICE_MS);
}

/** @param {unknown} error */
function wordsOf(error) {
  if (!(error instanceof DuologueError)) return error instanceof Error ? error.message : String(error);
  if (error.code === 'unavailable') return 'The server does not answer now.';
  if (error.code !== 'rate_limited') return `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
  return `Too often; try again in ${Math.ceil(error.retryAfterMs / 1_000)} seconds.`;
}

/** What went wrong in this page, for tests and bug reports. It holds no tokens. */
function watchErrors() {
  /** @type {string[]} */
  const kept = [];
  const note = (/** @type {string} */ text) => kept.length < 50 && kept.push(text);
  window.addEventListener('error', (event) => note(`error: ${event.message}`));
  window.addEventListener('unhandledrejection', (event) => note(`rejection: ${event.reason}`));
  document.addEventListener('securitypolicyviolation', (event) => {
    note(`csp: ${event.violatedDirective} ${event.blockedURI}`);
  });
  Object.defineProperty(window, 'duologueDebug', {
    get: () => ({ screen: document.body.dataset.state, place: shown?.id ?? null, errors: [...kept] }),
  });
}
