import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors, assertRelayed, chatBothWays, hangUp, meet, waitForEnd, watchMedia } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';

const WATCH_MS = 20_000;
const SHORT_WATCH_MS = 5_000;
const BOUND = { timeout: 180_000 };

const chromium = (name) => async (server) =>
  Person.inChromium(name, { certificateHash: await server.certificateHash() });

for (const via of ['udp', 'tcp', 'tls']) {
  test(`two Chromium pages talk through the relay over ${via}`, BOUND, () =>
    scene({}, [chromium('Ada'), chromium('Ben')], async (server, people) => {
      await meet(server, people, `?relay=only&via=${via}`);
      assert.ok((await server.allocations()) >= 2, 'both sides hold an allocation');
      await assertRelayed(people, via);
      await chatBothWays(people);
      await watchMedia(people, WATCH_MS);
      await assertRelayed(people, via);
      await hangUp(people);
      await server.waitForNoAllocation();
      await assertNoErrors(people);
    }));
}

test('with ice_policy all the call finds its direct path', BOUND, () =>
  scene({ icePolicy: 'all' }, [chromium('Ada'), chromium('Ben')], async (server, people) => {
    await meet(server, people);
    await watchMedia(people, SHORT_WATCH_MS);
    for (const person of people) {
      // A relayed pair may come first and give way to the direct one within seconds.
      await person.until('a direct path', 15_000, () => window.duologueDebug.quality?.path === 'direct');
      assert.notEqual((await person.stats()).localType, 'relay', person.name);
    }
    await hangUp(people);
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }));

test('with ice_policy relay the call is relayed without anybody asking for it', BOUND, () =>
  scene({ icePolicy: 'relay' }, [chromium('Ada'), chromium('Ben')], async (server, people) => {
    await meet(server, people);
    await watchMedia(people, SHORT_WATCH_MS);
    for (const person of people) {
      const { localType, remoteType } = await person.stats();
      assert.deepEqual([localType, remoteType], ['relay', 'relay'], person.name);
    }
    await hangUp(people);
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }));

test('in single-port mode the call needs no socket but the listeners', BOUND, () =>
  scene({ relayMode: 'single-port' }, [chromium('Ada'), chromium('Ben')], async (server, people) => {
    const socketsBefore = server.udpSockets();
    await meet(server, people, '?relay=only&via=udp');
    await assertRelayed(people, 'udp');
    assert.ok((await server.allocations()) >= 2, 'both sides hold an allocation');
    assert.equal(server.udpSockets(), socketsBefore);
    await chatBothWays(people);
    await watchMedia(people, WATCH_MS);
    await hangUp(people);
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }));

test('a 20 s limit ends the call by itself on both sides', BOUND, () =>
  scene({ sessionLimit: '20s' }, [chromium('Ada'), chromium('Ben')], async (server, people) => {
    await meet(server, people, '?relay=only&via=udp');
    await Promise.all(people.map((person) => waitForEnd(person, 'limit', 25_000)));
    for (const person of people) {
      const { ended } = await person.debug();
      assert.equal(ended.reason, 'limit');
      assert.ok(Math.abs(ended.durationMs - 20_000) <= 1_500, `${person.name}: ${ended.durationMs} ms`);
    }
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }));

test('next leaves one partner and finds the way back to searching', BOUND, () =>
  scene({}, [chromium('Ada'), chromium('Ben')], async (server, people) => {
    const [ada, ben] = people;
    await meet(server, people, '?relay=only&via=udp');
    await ada.click('next');
    await ada.until('searching', 5_000, () => document.body.dataset.state === 'searching');
    await waitForEnd(ben, 'skipped', 5_000);
    await server.waitForNoAllocation();
    await ada.click('cancel-search');
    await ada.until('the lobby', 5_000, () => document.body.dataset.state === 'lobby');
    await assertNoErrors(people);
  }));
