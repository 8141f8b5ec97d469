import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertNoErrors, assertRelayed, chatBothWays, hangUp, meet, watchMedia } from './harness/call.js';
import { Person } from './harness/person.js';
import { Server } from './harness/server.js';

const BOUND = { timeout: 60_000 };
const START_BOUND = { timeout: 120_000 };
const WATCH_MS = 5_000;

/** One server and four browsers for all the calls: starting them takes longer than a call. @type {Server} */
let server;
/** @type {Record<string, Person>} */
const people = {};

before(async () => {
  server = await Server.start({ recentPartnerPause: '0s' });
  const certificateHash = await server.certificateHash();
  // One after the other: browsers that start at once slow each other down.
  for (const name of ['Carla', 'Cosimo']) people[name] = await Person.inChromium(name, { certificateHash });
  for (const name of ['Fanny', 'Felix']) people[name] = await Person.inFirefox(name, { authority: server.authority });
}, START_BOUND);

after(async () => {
  for (const person of Object.values(people)) await person.leave();
  await server?.stop();
}, START_BOUND);

const PAIRS = [
  ['Carla', 'Cosimo'],
  ['Carla', 'Fanny'],
  ['Fanny', 'Felix'],
];

for (const [name, other] of PAIRS) {
  const isMixed = name[0] !== other[0];
  for (const via of ['udp', 'tcp', 'tls']) {
    test(`${name} and ${other} talk through the relay over ${via}`, BOUND, async () => {
      const pair = [people[name], people[other]];
      try {
        await meet(server, pair, `?relay=only&via=${via}`);
        await assertRelayed(pair, via);
        if (isMixed && via === 'udp') await chatBothWays(pair);
        await watchMedia(pair, WATCH_MS);
        for (const person of pair) await assertNoServerFailed(person);
        await hangUp(pair);
        await server.waitForNoAllocation();
        await assertNoErrors(pair);
      } catch (error) {
        error.message += `\n--- server log ---\n${server.log}`;
        throw error;
      }
    });
  }
}

/**
 * Nothing but what must fail: Firefox also tries from its IPv6 addresses, and the name of the server has none here.
 *
 * @param {Person} person
 */
async function assertNoServerFailed(person) {
  const failed = await person.candidateErrors();
  const isExpected = ({ errorCode, address }) => errorCode === 701 && address?.includes(':');
  assert.deepEqual(failed.filter((failure) => !isExpected(failure)), [], person.name);
}
