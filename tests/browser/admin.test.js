import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertNoErrors, chatBothWays, meet, waitForEnd } from './harness/call.js';
import { Person } from './harness/person.js';
import { gather } from './harness/room.js';
import { scene } from './harness/scene.js';
import { PASSWORD, assertSound, keepPicture, logIn, open } from './harness/staff.js';

const BOUND = { timeout: 180_000 };
const SHOWN_MS = 15_000;

/** Runs in a page: a picture of 8 by 8, as PNG. */
function drawPicture() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 8, height: 8 });
  canvas.getContext('2d').fillRect(0, 0, 4, 8);
  return canvas.toDataURL('image/png').split(',')[1];
}

/** Runs in a page: asks for a second look, by nothing but the device. */
async function appealAsDevice() {
  const post = (path, body, token) =>
    fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
    });
  const pass = await post('/v1/auth/appeal', { device_id: sessionStorage.getItem('duologue.device') });
  window.appealToken = (await pass.json()).appeal_token;
  const own = await fetch('/v1/appeals', { headers: { authorization: `Bearer ${window.appealToken}` } });
  const [{ ban }] = (await own.json()).sanctions;
  return (await post('/v1/appeals', { ban, text: 'it was a joke' }, window.appealToken)).status;
}

/** Runs in the same page: what became of it. */
async function readVerdict() {
  const own = await fetch('/v1/appeals', { headers: { authorization: `Bearer ${window.appealToken}` } });
  return (await own.json()).appeals[0].verdict;
}

const people = () => [() => Person.inChromium('Ada'), () => Person.inChromium('Ben')];

test('an admin finds a live call, sees its relay figures, and ends it; who has no role is refused', BOUND, () =>
  scene({ icePolicy: 'relay' }, [...people(), () => Person.inFirefox('Root')], async (server, [ada, ben, root]) => {
    server.addAccount('eve', PASSWORD, 'user');
    server.addAccount('root', PASSWORD, 'admin');
    await logIn(server, root, 'eve', 'refused');
    await assertSound(root, 'refused');
    assert.equal(await root.evaluate(() => document.querySelector('.place')), null, 'nothing is shown to a user');
    await root.click('refused-log-out');

    await meet(server, [ada, ben]);
    await logIn(server, root, 'root', 'desk');
    await root.until('the number of calls', SHOWN_MS, () => document.querySelector('[data-testid=tile-live-calls]')?.textContent === '1');
    await assertSound(root, 'overview');

    await open(root, 'calls');
    await root.until('the call', SHOWN_MS, () => document.querySelectorAll('[data-testid=call]').length === 1);
    const { session } = await ada.debug();
    assert.equal(await root.evaluate(() => document.querySelector('[data-testid=call]').dataset.session), session.id);
    await root.until('its way', SHOWN_MS, () => document.querySelector('[data-testid=call]').textContent.includes('relayed, UDP'));
    await root.click('show-relay');
    const packets = () => [...document.querySelectorAll('[data-testid=relay-allocation]')].reduce((sum, { dataset }) => sum + Number(dataset.packets), 0);
    await root.until('packets through the relay', SHOWN_MS, packets);
    const before = await root.evaluate(packets);
    const more = (/** @type {number} */ than) =>
      [...document.querySelectorAll('[data-testid=relay-allocation]')].reduce((sum, { dataset }) => sum + Number(dataset.packets), 0) > than;
    await root.until('more packets', SHOWN_MS, more, before);
    await keepPicture(root, 'admin-calls');
    await open(root, 'allocations');
    await root.until('the allocations', SHOWN_MS, () => document.querySelectorAll('#allocations tbody tr').length > 1);
    await open(root, 'queue');
    assert.equal(await root.evaluate(() => document.querySelector('#queue [role=status]').textContent), 'Nobody waits.');
    await open(root, 'configuration');
    assert.ok(await root.evaluate(() => document.getElementById('configuration').textContent.includes('public_host')));

    await open(root, 'calls');
    await root.click('end-call');
    await assertSound(root, 'the question');
    await root.type('confirm-reason', 'a complaint by telephone');
    await root.press('Enter');
    for (const person of [ada, ben]) await waitForEnd(person, 'moderation', SHOWN_MS);
    await root.until('no call', SHOWN_MS, () => document.querySelectorAll('[data-testid=call]').length === 0);
    await server.waitForNoAllocation();
    await open(root, 'audit');
    const deed = () => document.querySelector('[data-testid=deed]')?.textContent ?? '';
    await root.until('the deed', SHOWN_MS, () => document.querySelector('[data-testid=deed]') !== null);
    assert.match(await root.evaluate(deed), /session\.end.*a complaint by telephone/);

    // A reload keeps the login, and the users are found.
    await root.visit(`${server.url}admin?again#users`);
    await root.until('the accounts', SHOWN_MS, () => document.querySelectorAll('#users tbody tr').length === 2);
    await root.click('toggle-user');
    await root.click('confirm-yes');
    await root.until('eve is disabled', SHOWN_MS, () => document.querySelector('#users tbody').textContent.includes('disabled'));
    await open(root, 'overview');
    await keepPicture(root, 'admin-overview');
    await root.click('log-out');
    await root.until('the door', SHOWN_MS, () => document.body.dataset.state === 'login');
    await assertNoErrors([ada, ben, root]);
  }),
);

test('an admin sees who is in a room and clears it', BOUND, () =>
  scene({}, [...people(), () => Person.inChromium('Root')], async (server, [ada, ben, root]) => {
    server.addAccount('root', PASSWORD, 'admin');
    await gather(server, [ada, ben]);
    await logIn(server, root, 'root', 'desk');
    await open(root, 'rooms');
    await root.until('two people', SHOWN_MS, () => document.querySelectorAll('[data-testid=room] li').length === 2);
    assert.ok(await root.evaluate(() => document.querySelector('[data-testid=room]').textContent.includes('Tea at five')));
    await root.click('clear-room');
    await root.click('confirm-yes');
    for (const person of [ada, ben]) await person.until('out of the room', SHOWN_MS, () => document.body.dataset.state !== 'call');
    await root.until('nobody', SHOWN_MS, () => document.querySelectorAll('[data-testid=room]').length === 0);
    await assertNoErrors([ada, ben, root]);
  }),
);

test('a moderator with a telephone reads what proves a report, writes a note and decides', BOUND, () =>
  scene({}, [...people(), () => Person.inChromium('Mo', { width: 360, height: 780 })], async (server, [ada, ben, mo]) => {
    server.addAccount('mo', PASSWORD, 'moderator');
    await meet(server, [ada, ben]);
    await chatBothWays([ada, ben]);
    await ada.click('report-call');
    await ada.click('report-send');
    await waitForEnd(ada, 'mine', SHOWN_MS);

    await logIn(server, mo, 'mo', 'desk');
    const places = await mo.evaluate(() => [...document.querySelectorAll('#sections a')].map((link) => link.textContent));
    assert.deepEqual(places, ['Reports', 'Appeals', 'Bans'], 'a moderator has nothing else');
    await mo.until('the report', SHOWN_MS, () => document.querySelectorAll('[data-testid=report]').length === 1);
    await assertSound(mo, 'reports');
    await mo.click('claim-report');
    await mo.until('it is claimed', SHOWN_MS, () => document.querySelector('[data-testid=claim-report]').textContent === 'Leave it');
    await mo.click('open-report');
    await mo.until('what was written', SHOWN_MS, () => document.querySelector('[data-testid=evidence]')?.textContent.includes('greetings from Ben'));
    await assertSound(mo, 'evidence');
    await keepPicture(mo, 'admin-report-phone');
    await mo.type('note-text', 'the third one this week');
    await mo.click('note-add');
    await mo.until('the note', SHOWN_MS, () => document.querySelector('[data-testid=notes]').textContent.includes('the third one'));
    await mo.select('decide-action', 'ban');
    await mo.click('decide');
    await mo.until('nothing is left to decide', SHOWN_MS, () => document.querySelectorAll('[data-testid=report]').length === 0);
    await open(mo, 'bans');
    await mo.until('the bans', SHOWN_MS, () => document.querySelectorAll('#bans tbody tr').length === 2);
    await assertSound(mo, 'bans');
    await assertNoErrors([ada, mo]);
  }),
);

test('a moderator sees a picture that was sent, and lifts a ban after an appeal', BOUND, () =>
  scene({}, [...people(), () => Person.inChromium('Mo', { width: 360, height: 780 })], async (server, [ada, ben, mo]) => {
    server.addAccount('mo', PASSWORD, 'moderator');
    const directory = mkdtempSync(join(tmpdir(), 'duologue-sent-'));
    const file = join(directory, 'sent.png');
    await meet(server, [ada, ben]);
    writeFileSync(file, Buffer.from(await ben.evaluate(drawPicture), 'base64'));
    await ben.click('toggle-chat');
    await ben.choose('attach-input', file);
    await ada.until('the picture', SHOWN_MS, () => window.duologueDebug.messages.length === 1);
    rmSync(directory, { recursive: true });
    await ada.click('report-call');
    await ada.click('report-send');
    await waitForEnd(ada, 'mine', SHOWN_MS);

    await logIn(server, mo, 'mo', 'desk');
    await mo.until('the report', SHOWN_MS, () => document.querySelectorAll('[data-testid=report]').length === 1);
    await mo.click('open-report');
    await mo.until('the file', SHOWN_MS, () => document.querySelector('[data-testid=kept-file]') !== null);
    assert.equal(await mo.evaluate(() => document.querySelector('[data-testid=kept-picture]')), null, 'nobody has to see it');
    await mo.click('kept-file');
    await mo.until('the picture', SHOWN_MS, () => document.querySelector('[data-testid=kept-picture]')?.naturalWidth === 8);
    await assertSound(mo, 'evidence with a picture');
    await mo.select('decide-action', 'ban');
    await mo.click('decide');
    await mo.until('nothing is left to decide', SHOWN_MS, () => document.querySelectorAll('[data-testid=report]').length === 0);

    // Ben has lost his tokens with his login, and appeals as the device that he has.
    const asked = await ben.evaluate(appealAsDevice);
    assert.equal(asked, 201);
    await open(mo, 'appeals');
    await mo.until('the appeal', SHOWN_MS, () => document.querySelectorAll('[data-testid=appeal]').length === 1);
    const words = await mo.evaluate(() => document.querySelector('[data-testid=appeal]').textContent);
    assert.match(words, /it was a joke/);
    assert.match(words, /ban of the device/);
    await mo.click('open-decision');
    await mo.until('what it is about', SHOWN_MS, () => document.querySelector('[data-testid=appeal] [data-testid=kept-file]') !== null);
    await assertSound(mo, 'an appeal');
    await keepPicture(mo, 'admin-appeal-phone');
    await mo.type('verdict-note', 'be kind');
    await mo.click('appeal-lift');
    await mo.until('no appeal', SHOWN_MS, () => document.querySelectorAll('[data-testid=appeal]').length === 0);
    await open(mo, 'bans');
    await mo.until('the ban of the user alone', SHOWN_MS, () => document.querySelectorAll('#bans tbody tr').length === 1);
    const verdict = await ben.evaluate(readVerdict);
    assert.deepEqual([verdict.decision, verdict.note], ['lift', 'be kind']);
    await assertNoErrors([ada, mo]);
  }),
);

test('an admin with a telephone comes by the keyboard to every place, and each fits', BOUND, () =>
  scene({}, [() => Person.inChromium('Root', { width: 360, height: 780 })], async (server, [root]) => {
    server.addAccount('root', PASSWORD, 'admin');
    await logIn(server, root, 'root', 'desk');
    await root.until('the numbers', SHOWN_MS, () => document.querySelector('[data-testid=tile-live-calls]') !== null);
    await keepPicture(root, 'admin-phone');
    const places = await root.evaluate(() => [...document.querySelectorAll('#sections a')].map((link) => link.hash.slice(1)));
    assert.equal(places.length, 11);
    for (const place of places) {
      await root.evaluate((id) => document.querySelector(`[data-testid=go-${id}]`).focus(), place);
      await root.press('Enter');
      await root.until(`the place ${place}`, SHOWN_MS, (id) => window.duologueDebug.place === id, place);
      await root.until(`what is in ${place}`, SHOWN_MS, (id) => document.querySelector(`#${id} [role=status]`).textContent !== '', place);
      await assertSound(root, place);
      // A change of place leads those who listen to its heading; the first one was open already.
      const focused = await root.evaluate(() => document.activeElement.id);
      if (place !== places[0]) assert.equal(focused, `${place}-title`);
    }
    await root.evaluate(() => document.querySelector('.skip').focus());
    await root.press('Enter');
    await root.until('the content', SHOWN_MS, () => document.activeElement.id === 'main');
    assert.equal(await root.evaluate(() => window.duologueDebug.place), places.at(-1), 'the way to the content leaves the place');

    await open(root, 'overview');
    await root.click('drain');
    await assertSound(root, 'the question');
    await root.click('confirm-yes');
    await root.until('the word of it', SHOWN_MS, () => document.getElementById('notice').textContent.startsWith('The node drains'));
    await server.waitForEnd();
    await assertNoErrors([root]);
  }),
);
