import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors } from './harness/call.js';
import { Person } from './harness/person.js';
import { gather, reads, seesMoving, sendPicture, writeToAll } from './harness/room.js';
import { scene } from './harness/scene.js';

const BOUND = { timeout: 240_000 };
const LONG = { playMs: 210_000 };
const SOON_MS = 20_000;

const three = [
  () => Person.inChromium('Ada'),
  () => Person.inChromium('Ben'),
  () => Person.inFirefox('Cleo'),
];

test('three in a room see each other move, write to all, and notice who leaves', BOUND, () =>
  scene({}, three, async (server, people) => {
    const [ada, ben, cleo] = people;
    await gather(server, people);
    const { room } = await ada.debug();
    assert.deepEqual([room.role, room.peers.length], ['owner', 2]);
    await writeToAll(ada, [ben, cleo], 'Tea or coffee?');
    await writeToAll(cleo, [ada, ben], 'Tea.');
    await sendPicture(ben, [ada, cleo]);
    await ben.click('toggle-mic');
    const { room: seenByBen } = await ben.debug();
    for (const other of [ada, cleo]) {
      await other.until('Ben muted', SOON_MS, (id) => window.duologueDebug.room.peers.find((peer) => peer.id === id)?.media.audio === false, seenByBen.self);
    }
    await ben.click('leave');
    await ben.until('left', SOON_MS, () => document.body.dataset.state === 'ended');
    for (const other of [ada, cleo]) await seesMoving(other, 1);
    // Whoever comes back is a member, and finds what was written.
    await ben.click('again');
    for (const person of people) await seesMoving(person, 2);
    await reads(ben, 'Tea or coffee?');
    await assertNoErrors(people);
  }, LONG));

test('in a room where all is relayed each leaves the relay as they found it', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada'), () => Person.inChromium('Ben'), () => Person.inChromium('Cleo')], async (server, people) => {
    await gather(server, people, '?relay=only');
    for (const person of people) {
      const { localType } = await person.stats();
      assert.equal(localType, 'relay', person.name);
    }
    for (const person of people) await person.click('leave');
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }, LONG));

test('after kill -9 of the server everybody comes back into the room by itself', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada'), () => Person.inChromium('Cleo')], async (server, people) => {
    const [ada, cleo] = people;
    await gather(server, people);
    await writeToAll(ada, [cleo], 'Before.');
    const before = await ada.debug();
    await server.crash();
    for (const person of people) {
      await person.until('offline', SOON_MS, () => window.duologueDebug.client.state !== 'online');
    }
    await server.comeBack();
    for (const person of people) {
      await person.until('online again', 40_000, () => window.duologueDebug.client.state === 'online');
      await seesMoving(person, 1);
    }
    const after = await ada.debug();
    // A member keeps its name, and the owner its role.
    assert.deepEqual([after.room.self, after.room.role], [before.room.self, 'owner']);
    await writeToAll(cleo, [ada], 'After.');
    await reads(cleo, 'Before.');
    await assertNoErrors(people);
  }, LONG));

test('whoever is put out of a room is told, and its link opens nothing any more', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada'), () => Person.inChromium('Ben')], async (server, people) => {
    const [ada, ben] = people;
    await gather(server, people);
    await ada.evaluate(() => {
      window.confirm = () => true;
      document.querySelector('[data-testid=tile-peer] .tile-button').click();
    });
    await ben.until('out', SOON_MS, () => document.getElementById('screen-ended').dataset.reason === 'kicked');
    await ada.until('alone', SOON_MS, () => document.querySelectorAll('[data-testid=tile-peer]').length === 0);
    await ben.click('again');
    await ben.until('refused', SOON_MS, () => /opens the room no longer/.test(document.getElementById('door-hint').textContent));
    await assertNoErrors(people);
  }));

test('every control of the room page has a name, and it fits a phone', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada', { width: 360, height: 780 })], async (server, people) => {
    const [ada] = people;
    const fits = async () => {
      const { content, visible } = await ada.evaluate(() => ({
        content: document.documentElement.scrollWidth,
        visible: window.innerWidth,
      }));
      assert.ok(content <= visible, `${content} px in ${visible} px`);
    };
    await ada.visit(`${server.url}room.html`);
    await fits();
    const nameless = await ada.evaluate(() =>
      [...document.querySelectorAll('button, input')]
        .filter((control) => !control.getAttribute('aria-label') && !control.labels?.length && control.textContent.trim() === '')
        .map((control) => control.id || control.outerHTML.slice(0, 80)),
    );
    assert.deepEqual(nameless, []);
    await gather(server, people);
    await fits();
    await ada.click('toggle-chat');
    await fits();
    await assertNoErrors(people);
  }));
