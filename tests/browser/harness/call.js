import assert from 'node:assert/strict';
import { pause, until } from './until.js';

const MATCH_MS = 20_000;
const CONNECT_MS = 25_000;
const CHAT_MS = 5_000;
const STEP_MS = 5_000;

/**
 * Two people meet through the page: both ask for the same topic and start.
 *
 * @param {import('./server.js').Server} server
 * @param {import('./person.js').Person[]} people Exactly two.
 * @param {string | string[]} [query] Settings in the address, as `?relay=only&via=tcp`, of both or of each.
 */
export async function meet(server, people, query = '') {
  const queries = [query, query].flat();
  await Promise.all(people.map((person, index) => person.visit(server.url + queries[index])));
  await Promise.all(
    people.map(async (person) => {
      await person.type('tag-input', 'chess,');
      await person.click('start');
      await person.until('matched', MATCH_MS, () => document.body.dataset.state === 'call');
    }),
  );
  await Promise.all(people.map((person) => waitForMedia(person)));
}

/** @param {import('./person.js').Person} person */
async function waitForMedia(person) {
  await person.until('connected', CONNECT_MS, () => window.duologueDebug.session?.state === 'connected');
  let stats = await person.stats();
  try {
    await until(`${person.name} sees and hears`, CONNECT_MS, async () => {
      stats = await person.stats();
      return stats.framesDecoded > 0 && stats.audioPackets > 0;
    });
  } catch (error) {
    throw new Error(`${error.message}\n${JSON.stringify(stats)}`, { cause: error });
  }
}

/**
 * Watches for a while: on both sides pictures and sound must keep coming in each step of 5 s.
 *
 * @param {import('./person.js').Person[]} people
 * @param {number} totalMs
 */
export async function watchMedia(people, totalMs) {
  let before = await Promise.all(people.map((person) => person.stats()));
  for (let passedMs = 0; passedMs < totalMs; passedMs += STEP_MS) {
    await pause(STEP_MS);
    const after = await Promise.all(people.map((person) => person.stats()));
    people.forEach((person, index) => {
      const frames = after[index].framesDecoded - before[index].framesDecoded;
      const packets = after[index].audioPackets - before[index].audioPackets;
      const when = `${person.name}, up to ${passedMs + STEP_MS} ms, ${JSON.stringify(after[index])}`;
      // The fake cameras give 20 pictures and 50 packets a second; a busy machine may halve that.
      assert.ok(frames >= 25, `${when}: only ${frames} frames`);
      assert.ok(packets >= 100, `${when}: only ${packets} audio packets`);
    });
    before = after;
  }
}

/**
 * Both ends of the selected pair must be relayed, reached the given way, by what the browser says
 * and by what the page shows.
 *
 * @param {import('./person.js').Person[]} people
 * @param {'udp' | 'tcp' | 'tls'} protocol
 */
export async function assertRelayed(people, protocol) {
  for (const person of people) {
    const { localType, remoteType, relayProtocol } = await person.stats();
    assert.deepEqual({ localType, relayProtocol }, { localType: 'relay', relayProtocol: protocol }, person.name);
    // A check that overtakes the candidate it comes from makes a peer-reflexive one of it (RFC 8445 §7.3.1.3). That it is
    // relayed is told by the other side, whose local candidate it is.
    assert.match(remoteType, /^(relay|prflx)$/, person.name);
    const { quality } = await person.debug();
    assert.deepEqual([quality.path, quality.relayProtocol], ['relay', protocol], `${person.name}'s page`);
    await person.click('open-connection');
    const shown = await person.evaluate(() =>
      ['stat-path', 'stat-protocol'].map((id) => document.querySelector(`[data-testid=${id}]`).textContent),
    );
    assert.match(shown[0], /^Relayed/);
    assert.equal(shown[1], `${protocol.toUpperCase()} to the relay`);
    await person.click('open-connection');
  }
}

/**
 * Each writes a line, each reads the other's.
 *
 * @param {import('./person.js').Person[]} people
 * @param {string} [word] What tells these lines from others.
 */
export async function chatBothWays(people, word = 'greetings') {
  for (const [writer, reader] of [people, [...people].reverse()]) {
    const text = `${word} from ${writer.name}`;
    await writer.click('toggle-chat');
    await writer.type('chat-input', text);
    await writer.press('Enter');
    await reader.until(
      `the line of ${writer.name}`,
      CHAT_MS,
      (line) => [...document.querySelectorAll('[data-testid=message-peer]')].some((item) => item.textContent.includes(line)),
      text,
    );
    await writer.until('delivered', CHAT_MS, () => !document.querySelector('.message.own.pending, .message.own.failed'));
    await writer.click('toggle-chat');
  }
}

/**
 * The first person hangs up; both see the end and its reason.
 *
 * @param {import('./person.js').Person[]} people
 */
export async function hangUp([person, other]) {
  await person.click('end');
  await waitForEnd(person, 'mine', CHAT_MS);
  await waitForEnd(other, 'ended', CHAT_MS);
}

/**
 * @param {import('./person.js').Person} person
 * @param {string} reason
 * @param {number} withinMs
 */
export async function waitForEnd(person, reason, withinMs) {
  await person.until('the end', withinMs, () => document.body.dataset.state === 'ended');
  assert.equal(await person.evaluate(() => document.getElementById('screen-ended').dataset.reason), reason, person.name);
}

/** @param {import('./person.js').Person[]} people */
export async function assertNoErrors(people) {
  for (const person of people) assert.deepEqual(await person.allErrors(), [], person.name);
}
