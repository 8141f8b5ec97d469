import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors, assertRelayed, chatBothWays, hangUp, meet, watchMedia } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';
import { pause, until } from './harness/until.js';

const BOUND = { timeout: 180_000 };
/** The waits between attempts to connect grow to 8 s. */
const RETURN_MS = 30_000;
/** Silence is noticed after seconds, and the first new paths may be tried before the relay is there. */
const NEW_PATH_MS = 60_000;
const LOOK_MS = 2_500;

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

/** A relayed pair may come first and give way to the direct one within seconds. */
async function onDirectPath(people) {
  for (const person of people) {
    await person.until('a direct path', 15_000, () => window.duologueDebug.quality?.path === 'direct');
  }
}

async function sessionOf([person]) {
  return (await person.debug()).session.id;
}

function offline(people) {
  return Promise.all(people.map((person) => person.until('offline', 10_000, () => window.duologueDebug.client.state !== 'online')));
}

function online(people) {
  return Promise.all(people.map((person) => person.until('online', RETURN_MS, () => window.duologueDebug.client.state === 'online')));
}

/** The same session over the same connection, and nobody is taken for lost. */
async function sameCall(people, session) {
  for (const person of people) {
    await person.until('nobody is missing', RETURN_MS, () => window.duologueDebug.session?.peerLostUntil === null);
    const { screen, session: now } = await person.debug();
    assert.deepEqual([screen, now.id, now.state], ['call', session, 'connected'], person.name);
    assert.equal(await person.evaluate(() => window.keptPeerConnections.length), 1, person.name);
  }
}

/** Looks every few seconds whether pictures and sound still come, until it is told to stop. */
function keepWatching(people) {
  let isOver = false;
  const watching = (async () => {
    let before = await Promise.all(people.map((person) => person.stats()));
    while (!isOver) {
      await pause(LOOK_MS);
      const after = await Promise.all(people.map((person) => person.stats()));
      after.forEach((stats, index) => {
        const [frames, packets] = ['framesDecoded', 'audioPackets'].map((name) => stats[name] - before[index][name]);
        assert.ok(frames > 0 && packets > 0, `${people[index].name}: ${frames} frames, ${packets} audio packets`);
      });
      before = after;
    }
  })();
  // It is told by `stop`, whenever it fails.
  watching.catch(() => {});
  return {
    stop() {
      isOver = true;
      return watching;
    },
  };
}
