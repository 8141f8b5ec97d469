import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { solve } from '../src/proof-of-work.js';
import { fixture, settle } from './fakes.js';

function zeros(text) {
  return Math.clz32(createHash('sha256').update(text).digest().readUInt32BE());
}

test('the first number is found whose hash begins with so many zeros', async () => {
  // Prefixes of every length around one block, and those of real challenges.
  for (const length of [0, 1, 40, 52, 53, 54, 55, 62, 63, 64, 76, 130]) {
    const challenge = 'x'.repeat(length);
    const number = await solve(challenge, 8, async () => {});
    let expected = 0;
    while (zeros(`${challenge}.${expected}`) < 8) expected += 1;
    assert.equal(number, String(expected), `after ${length} characters`);
  }
});

test('others get their turn while it works', async () => {
  let turns = 0;
  const number = await solve('a challenge', 14, async () => {
    turns += 1;
  });
  assert.ok(zeros(`a challenge.${number}`) >= 14);
  assert.equal(turns, Math.floor(Number(number) / 1_024));
});

/** A server side that asks guests for work, and what it was asked. */
function workingServer() {
  const asked = [];
  const fetch = async (url, { method, body }) => {
    const path = new URL(url).pathname;
    asked.push({ path, method, body: body ? JSON.parse(body) : null });
    if (path === '/v1/auth/challenge') return Response.json({ challenge: 'c'.repeat(76), bits: 6 });
    return Response.json({ access_token: 'access', refresh_token: 'refresh', expires_in: 300 });
  };
  return { asked, fetch };
}

test('a guest works where the server asks for it, and says hello with what that brings', async () => {
  const { asked, fetch } = workingServer();
  const { client, sockets } = fixture({ fetch });
  client.connect();
  await settle();
  const first = sockets[0];
  first.serverOpens();
  first.push('welcome', { features: ['rooms', 'guest_work'], time: 1 });
  first.error('hello', { code: 'forbidden', message: 'guests come by POST' });
  await settle();
  assert.deepEqual(asked.map(({ path }) => path), ['/v1/auth/challenge', '/v1/auth/guest']);
  const { device_id, challenge, number } = asked[1].body;
  assert.deepEqual([device_id, challenge], ['d1', 'c'.repeat(76)]);
  assert.ok(zeros(`${challenge}.${number}`) >= 6);
  const second = sockets.at(-1);
  assert.notEqual(second, first);
  second.serverOpens();
  assert.deepEqual(second.take('hello').data.token, 'access');
});

test('whoever is refused for another reason does not work for it', async () => {
  const { asked, fetch } = workingServer();
  const { client, sockets } = fixture({ fetch });
  client.connect();
  await settle();
  sockets[0].serverOpens();
  sockets[0].push('welcome', { features: ['rooms'], time: 1 });
  sockets[0].error('hello', { code: 'forbidden', message: 'no guests here' });
  await settle();
  assert.deepEqual(asked, []);
});

test('who enters as a guest works if that is asked for, and is refused for a wrong proof as before', async () => {
  for (const asksForWork of [true, false]) {
    const asked = [];
    const fetch = async (url, { body }) => {
      const path = new URL(url).pathname;
      const form = body ? JSON.parse(body) : null;
      asked.push(form);
      if (path === '/v1/auth/challenge') {
        if (asksForWork) return Response.json({ challenge: 'c'.repeat(76), bits: 6 });
        return Response.json({ code: 'not_found', detail: 'no' }, { status: 404 });
      }
      if (!form.number) return Response.json({ code: 'forbidden', detail: 'no' }, { status: 403 });
      return Response.json({ access_token: 'a', refresh_token: 'r', expires_in: 300, user: { id: 'g' } });
    };
    const { client } = fixture({ fetch, guest: undefined, account: true });
    const entered = client.enterAsGuest('d1', 'a proof');
    if (asksForWork) {
      assert.deepEqual(await entered, { id: 'g' });
      assert.ok(zeros(`${'c'.repeat(76)}.${asked[2].number}`) >= 6);
      assert.equal(asked[2].proof, 'a proof');
    } else {
      await assert.rejects(entered, { code: 'forbidden' });
      assert.equal(asked.length, 2);
    }
  }
});
