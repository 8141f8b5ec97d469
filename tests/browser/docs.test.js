import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';
import { assertSound, keepPicture } from './harness/staff.js';

const BOUND = { timeout: 180_000 };
const SHOWN_MS = 15_000;

/**
 * Opens the reference and waits for its entries.
 *
 * @param {import('./harness/server.js').Server} server
 * @param {Person} person
 * @param {string} [place]
 */
async function openReference(server, person, place = '') {
  await person.visit(`${server.url}docs${place}`);
  await person.until('the reference', SHOWN_MS, () => document.body.dataset.state === 'shown');
}

/** Names of the entries that are to be seen. @param {Person} person */
const shown = (person) =>
  person.evaluate(() => [...document.querySelectorAll('.entry')].filter((entry) => entry.getClientRects().length > 0).map((entry) => entry.id));

test('the reference shows every operation and message of both documents, and finds them by what is in them', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada')], async (server, [ada]) => {
    await openReference(server, ada);
    const told = await ada.evaluate(async () => {
      const [openapi, asyncapi] = await Promise.all(['/openapi.json', '/asyncapi.json'].map(async (path) => (await fetch(path)).json()));
      const operations = Object.values(openapi.paths).flatMap((path) => Object.values(path)).map(({ operationId }) => operationId);
      return [...operations, ...Object.keys(asyncapi.operations)];
    });
    const entries = await shown(ada);
    assert.deepEqual(told.filter((id) => !entries.includes(id)), []);
    await assertSound(ada, 'the reference');

    await ada.type('search', 'ice_servers push');
    await ada.until('what is found', SHOWN_MS, () => document.querySelector('[data-testid=count]').textContent.includes(' of '));
    assert.deepEqual(await shown(ada), ['server.ice.updated', 'server.match.found']);

    // All of them open: nothing that the documents hold breaks the page.
    await ada.evaluate(() => document.querySelectorAll('.entry').forEach((entry) => (entry.open = true)));
    await ada.until('every body', SHOWN_MS, () => [...document.querySelectorAll('.entry')].every((entry) => entry.querySelector('.body') !== null));
    const words = await ada.evaluate(() => document.getElementById('client.rtc.quality').textContent);
    for (const word of ['rtt_ms', 'from 0, to 100', 'not_in_session', '"type": "rtc.quality"']) assert.ok(words.includes(word), word);
    const drain = await ada.evaluate(() => document.getElementById('drain').textContent);
    for (const word of ['/v1/admin/drain', 'An access token of admin is needed', 'grace_ms', 'Answer 409']) assert.ok(drain.includes(word), word);
    assert.deepEqual(await ada.evaluate(() => [...document.querySelectorAll('.kind')].filter(({ textContent }) => /undefined|\[object/.test(textContent)).length), 0);
    await assertNoErrors([ada]);
    await keepPicture(ada, 'docs');
  }),
);

test('on a telephone the reference fits, is used by the keyboard, and an address leads to an entry', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada', { width: 360, height: 780 })], async (server, [ada]) => {
    await openReference(server, ada, '#server.match.found');
    const focused = () => document.activeElement.closest('.entry')?.id ?? document.activeElement.id;
    assert.equal(await ada.evaluate(focused), 'server.match.found');
    assert.equal(await ada.evaluate(() => document.getElementById('server.match.found').open), true);
    await ada.press('Enter');
    await ada.until('it is closed', SHOWN_MS, () => !document.getElementById('server.match.found').open);
    await ada.press('Enter');
    await ada.until('it is open', SHOWN_MS, () => document.getElementById('server.match.found').open);
    await ada.press('Tab');
    assert.equal(await ada.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Example');

    await ada.evaluate(() => document.querySelectorAll('.entry').forEach((entry) => (entry.open = true)));
    await ada.until('every body', SHOWN_MS, () => [...document.querySelectorAll('.entry')].every((entry) => entry.querySelector('.body') !== null));
    await assertSound(ada, 'the open reference');
    await ada.evaluate(() => document.querySelector('#groups a').focus());
    await ada.press('Enter');
    await ada.until('the group', SHOWN_MS, () => document.activeElement.id === 'group-0-title');
    await ada.evaluate(() => document.querySelector('.skip').focus());
    await ada.press('Enter');
    await ada.until('the content', SHOWN_MS, () => document.activeElement.id === 'main');
    await assertNoErrors([ada]);
    await keepPicture(ada, 'docs-phone');
  }),
);
