import assert from 'node:assert/strict';
import { assertNoErrors, hangUp, meet } from './call.js';
import { Person } from './person.js';
import { scene } from './scene.js';
import { pause } from './until.js';

const WAYS = ['udp', 'tls'];
/** A peer that nobody is at: one more permission to ask for. */
const NOBODY = 'candidate:1 1 udp 1 127.0.0.77 50000 typ host';

/**
 * Two Chromium pages talk through the relay, one over UDP and one over TLS, and no second may pass on either side
 * without pictures and sound. Half way the operator renews the certificate. Each time the nonces have gone stale both
 * sides must ask the relay for something.
 *
 * @param {object} plan
 * @param {number} plan.seconds
 * @param {number} plan.nonceSeconds
 * @param {(line: string) => void} [plan.tell] Told of each minute.
 */
export function longCall({ seconds, nonceSeconds, tell = () => {} }) {
  const choices = { sessionLimit: '0s', nonceLifetime: `${nonceSeconds}s`, renewable: true };
  const arrive = (name) => (server) => Person.inChromium(name, { certificateHash: server.certificateHashes.join(',') });
  const longest = { playMs: (seconds + 120) * 1_000 };
  return scene(choices, [arrive('Ada'), arrive('Ben')], async (server, people) => {
    await meet(server, people, WAYS.map((via) => `?relay=only&via=${via}`));
    const records = people.map(({ name }) => ({ name, frames: [], frozen: [] }));
    const start = Date.now();
    let before = await Promise.all(people.map((person) => person.stats()));
    for (let second = 1; second <= seconds; second += 1) {
      await pause(Math.max(0, start + second * 1_000 - Date.now()));
      const after = await Promise.all(people.map((person) => person.stats()));
      records.forEach((record, index) => watch(record, second, before[index], after[index]));
      before = after;
      if (second === Math.ceil(seconds / 2)) {
        await server.renewCertificate();
        tell('the certificate is renewed');
      }
      // A few seconds after the nonces have gone stale, while there is still time to see the harm.
      if (second % (nonceSeconds + 2) === 0 && second + 3 < seconds) await askForOneMorePeer(people, second);
      if (second % 60 === 0) tell(`${second / 60} min: ${records.map(summary).join('; ')}`);
    }
    tell(records.map(summary).join('; '));
    for (const record of records) assert.deepEqual(record.frozen, [], `${record.name}: seconds that froze`);
    for (const [index, person] of people.entries()) {
      const { localType, remoteType, relayProtocol } = await person.stats();
      assert.deepEqual([localType, remoteType, relayProtocol], ['relay', 'relay', WAYS[index]], person.name);
    }
    const stale = await server.requests('stale_nonce');
    tell(`${stale} requests met a stale nonce`);
    const crossings = Math.floor((seconds - 4) / (nonceSeconds + 2));
    assert.ok(stale >= 2 * crossings, `${stale} requests with stale nonces at ${crossings} crossings`);
    await hangUp(people);
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }, longest);
}

/** Notes a second in which no picture, or no sound, or no byte of video came. */
function watch(record, second, before, after) {
  const frames = after.framesDecoded - before.framesDecoded;
  record.frames.push(frames);
  record.freezes = after.freezes;
  const isFrozen = frames <= 0 || after.videoBytes <= before.videoBytes || after.audioPackets <= before.audioPackets;
  if (isFrozen) record.frozen.push({ second, before, after });
}

function summary({ name, frames, frozen, freezes }) {
  const total = frames.reduce((sum, count) => sum + count, 0);
  const rate = (total / frames.length).toFixed(1);
  return `${name}: ${frames.length} s, ${rate} pictures/s, ${Math.min(...frames)} in the poorest, ${frozen.length} frozen, browser counts ${freezes} freezes`;
}

/** A candidate at an address of its own makes the browser ask the relay for a permission. */
function askForOneMorePeer(people, second) {
  return Promise.all(
    people.map((person) =>
      person.evaluate(
        async ({ candidate, sdpMid }) => {
          await window.keptPeerConnections.at(-1).addIceCandidate({ candidate, sdpMid, sdpMLineIndex: 0 });
        },
        { candidate: NOBODY.replace('127.0.0.77', `127.0.1.${1 + (second % 250)}`), sdpMid: '0' },
      ),
    ),
  );
}
