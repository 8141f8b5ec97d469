import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const LOGIN_MS = 20_000;
export const PASSWORD = 'correct horse battery staple';

/**
 * Opens the page of admins and logs in.
 *
 * @param {import('./server.js').Server} server
 * @param {import('./person.js').Person} person
 * @param {string} name
 * @param {'desk' | 'refused'} screen What is to be seen then.
 */
export async function logIn(server, person, name, screen) {
  await person.visit(`${server.url}admin`);
  await person.until('the door', LOGIN_MS, () => document.body.dataset.state === 'login');
  await person.type('username', name);
  await person.press('Tab');
  await person.type('password', PASSWORD);
  await person.press('Enter');
  await person.until(`the screen ${screen}`, LOGIN_MS, (wanted) => document.body.dataset.state === wanted, screen);
}

/**
 * Opens a place of the desk and checks what holds for each: every control has a name, nothing scrolls sideways.
 *
 * @param {import('./person.js').Person} person
 * @param {string} place
 */
export async function open(person, place) {
  await person.click(`go-${place}`);
  await person.until(`the place ${place}`, LOGIN_MS, (wanted) => window.duologueDebug.place === wanted, place);
  await person.until(`what is in ${place}`, LOGIN_MS, (id) => document.querySelector(`#${id} [role=status]`).textContent !== '', place);
  await assertSound(person, place);
}

/**
 * @param {import('./person.js').Person} person
 * @param {string} place
 */
export async function assertSound(person, place) {
  const { nameless, duplicates, headings, content, visible } = await person.evaluate(() => {
    const isShown = (element) => element.getClientRects().length > 0;
    const nameOf = (element) => {
      const labelled = element.getAttribute('aria-labelledby')?.split(' ') ?? [];
      const labels = [...labelled.map((id) => document.getElementById(id)), ...(element.labels ?? [])];
      const words = [element.getAttribute('aria-label'), ...labels.map((label) => label?.textContent)];
      return [...words, element.tagName === 'SELECT' ? '' : element.textContent].join('').trim();
    };
    const controls = [...document.querySelectorAll('a, button, input, select, textarea, [tabindex="0"], svg[role=img]')];
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    return {
      nameless: controls.filter((element) => isShown(element) && nameOf(element) === '').map((element) => element.outerHTML),
      duplicates: ids.filter((id, index) => ids.indexOf(id) !== index),
      headings: [...document.querySelectorAll('h1')].filter(isShown).length,
      content: document.documentElement.scrollWidth,
      visible: window.innerWidth,
    };
  });
  assert.deepEqual(nameless, [], `${place}: controls without a name`);
  assert.deepEqual(duplicates, [], `${place}: ids that are there twice`);
  assert.equal(headings, 1, `${place}: one main heading`);
  assert.ok(content <= visible, `${place}: ${content} px in ${visible} px`);
}

/**
 * Keeps a picture for the documents, if they are wanted: `DUOLOGUE_PICTURES` names the directory.
 *
 * @param {import('./person.js').Person} person
 * @param {string} name
 */
export async function keepPicture(person, name) {
  const directory = process.env.DUOLOGUE_PICTURES;
  if (!directory) return;
  mkdirSync(directory, { recursive: true });
  await person.picture(join(directory, `${name}.png`));
}
