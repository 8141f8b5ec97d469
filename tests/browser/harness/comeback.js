import assert from 'node:assert/strict';
import { pause } from './until.js';

/** The waits between attempts to connect grow to 8 s. */
const RETURN_MS = 30_000;
const LOOK_MS = 2_500;

/** A relayed pair may come first and give way to the direct one within seconds. */
export async function onDirectPath(people) {
  for (const person of people) {
    await person.until('a direct path', 15_000, () => window.duologueDebug.quality?.path === 'direct');
  }
}

/** The id of their session. */
export async function sessionOf([person]) {
  return (await person.debug()).session.id;
}

/** Until all have noticed that the server is away. */
export function offline(people) {
  return Promise.all(people.map((person) => person.until('offline', 10_000, () => window.duologueDebug.client.state !== 'online')));
}

/** Until all are back at the server. */
export function online(people) {
  return Promise.all(people.map((person) => person.until('online', RETURN_MS, () => window.duologueDebug.client.state === 'online')));
}

/** The same session over the same connection, and nobody is taken for lost. */
export async function sameCall(people, session) {
  for (const person of people) {
    await person.until('nobody is missing', RETURN_MS, () => window.duologueDebug.session?.peerLostUntil === null);
    const { screen, session: now } = await person.debug();
    assert.deepEqual([screen, now.id, now.state], ['call', session, 'connected'], person.name);
    assert.equal(await person.evaluate(() => window.keptPeerConnections.length), 1, person.name);
  }
}

/**
 * Looks again and again whether pictures and sound still come, until it is told to stop.
 *
 * @param {import('./person.js').Person[]} people
 * @param {number} [lookMs] Between two looks; something must come in each.
 */
export function keepWatching(people, lookMs = LOOK_MS) {
  let isOver = false;
  const watching = (async () => {
    let before = await Promise.all(people.map((person) => person.stats()));
    while (!isOver) {
      await pause(lookMs);
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
