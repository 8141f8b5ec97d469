import { test } from 'node:test';
import { assertNoErrors, assertRelayed, chatBothWays, hangUp, meet, watchMedia } from './harness/call.js';
import { keepWatching, offline, onDirectPath, online, sameCall, sessionOf } from './harness/comeback.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';
import { until } from './harness/until.js';

const BOUND = { timeout: 180_000 };
/** Silence is noticed after seconds, and the first new paths may be tried before the relay is there. */
const NEW_PATH_MS = 60_000;

const chromium = (name) => async (server) =>
  Person.inChromium(name, { certificateHash: await server.certificateHash() });
const both = [chromium('Ada'), chromium('Ben')];

test('a call goes on without a break when its sockets are cut', BOUND, () =>
  scene({ proxied: true }, both, async (server, people) => {
    await meet(server, people);
    await onDirectPath(people);
    const session = await sessionOf(people);
    const watched = keepWatching(people);
    server.proxy.cut();
    await offline(people);
    await watchMedia(people, 5_000);
    server.proxy.mend();
    await online(people);
    await watchMedia(people, 5_000);
    await watched.stop();
    await sameCall(people, session);
    await chatBothWays(people);
    await hangUp(people);
    await assertNoErrors(people);
  }));

test('kill -9 of the server does not touch a direct call, and both sides come back to it', BOUND, () =>
  scene({}, both, async (server, people) => {
    await meet(server, people);
    await onDirectPath(people);
    const session = await sessionOf(people);
    const watched = keepWatching(people);
    await server.crash();
    await offline(people);
    await watchMedia(people, 5_000);
    await server.comeBack();
    await online(people);
    await watchMedia(people, 5_000);
    await watched.stop();
    await sameCall(people, session);
    await chatBothWays(people);
    await hangUp(people);
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }));

test('a relayed call finds new paths when the server is back after kill -9', BOUND, () =>
  scene({}, both, async (server, people) => {
    await meet(server, people, '?relay=only&via=udp');
    await assertRelayed(people, 'udp');
    const session = await sessionOf(people);
    await server.crash();
    await offline(people);
    await server.comeBack();
    await online(people);
    const before = await Promise.all(people.map((person) => person.stats()));
    await until('pictures and sound on both sides', NEW_PATH_MS, async () => {
      const now = await Promise.all(people.map((person) => person.stats()));
      return now.every((stats, index) =>
        stats.framesDecoded > before[index].framesDecoded + 20 && stats.audioPackets > before[index].audioPackets + 50);
    });
    await watchMedia(people, 5_000);
    await sameCall(people, session);
    await assertRelayed(people, 'udp');
    await chatBothWays(people);
    await hangUp(people);
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }));
