import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, DuologueError } from '../src/index.js';
import { fixture, settle } from './fakes.js';

const user = { id: 'u_ann', role: 'user', guest: false };

/** A server side that keeps what it is asked and answers by path. */
function server(answers = {}) {
  const asked = [];
  const fetch = async (url, { method, headers, body }) => {
    const path = new URL(url).pathname;
    asked.push({ path, method, token: headers.authorization ?? null, body: JSON.parse(body) });
    const answer = answers[path];
    if (answer instanceof Response) return answer;
    if (path === '/v1/auth/logout') return new Response(null, { status: 204 });
    return Response.json({ access_token: 'access-2', refresh_token: 'refresh-2', expires_in: 300, user });
  };
  return { asked, fetch };
}

const problem = (status, code) => Response.json({ code, detail: 'no' }, { status });

test('a guest who logs in says goodbye and comes back as the user of the account', async () => {
  const { asked, fetch } = server();
  const { online, client, socket } = fixture({ fetch });
  const first = await online();
  const entered = client.login('ann', 'correct horse');
  await settle();
  first.ok('bye');
  assert.deepEqual(await entered, user);
  assert.deepEqual(asked, [
    {
      path: '/v1/auth/login',
      method: 'POST',
      token: null,
      body: { username: 'ann', password: 'correct horse', device_id: 'd1' },
    },
  ]);
  await settle();
  const second = socket();
  assert.notEqual(second, first);
  second.serverOpens();
  assert.equal(second.take('hello').data.token, 'access-2');
});

test('who is not connected registers first and connects later', async () => {
  const { asked, fetch } = server();
  const { client, socket } = fixture({ fetch, guest: undefined, account: true });
  assert.deepEqual(await client.register('ann', 'correct horse'), user);
  assert.equal(asked[0].path, '/v1/auth/register');
  assert.equal(client.state, 'idle');
  client.connect();
  await settle();
  socket().serverOpens();
  assert.equal(socket().take('hello').data.token, 'access-2');
});

test('a guest who registers stays where it is', async () => {
  const { asked, fetch } = server();
  const { online, client, sockets } = fixture({ fetch });
  const ws = await online();
  const registered = client.register('ann', 'correct horse');
  await settle();
  assert.deepEqual(asked, [
    {
      path: '/v1/auth/register',
      method: 'POST',
      token: 'Bearer access-1',
      body: { username: 'ann', password: 'correct horse' },
    },
  ]);
  assert.deepEqual(ws.sent.at(-1).data, { token: 'access-2' });
  ws.ok('auth.refresh', { auth_expires_at: 1 });
  assert.deepEqual(await registered, user);
  assert.equal(client.state, 'online');
  assert.equal(sockets.length, 1);
});

test('a guest brings a proof where guests are judged', async () => {
  const { asked, fetch } = server();
  const { client } = fixture({ fetch, guest: undefined, account: true });
  assert.deepEqual(await client.enterAsGuest('d1', 'captcha'), user);
  assert.deepEqual(asked[0].body, { device_id: 'd1', proof: 'captcha' });
  await client.enterAsGuest('d1');
  assert.deepEqual(asked[1].body, { device_id: 'd1' });
});

test('a wrong password changes nothing', async () => {
  const { fetch } = server({ '/v1/auth/login': problem(401, 'unauthorized') });
  const { online, client, sockets } = fixture({ fetch });
  await online();
  await assert.rejects(client.login('ann', 'wrong'), { code: 'unauthorized' });
  assert.equal(client.state, 'online');
  assert.equal(sockets.length, 1);
});

test('a logout says goodbye, ends the login and does not come back', async () => {
  const { asked, fetch } = server();
  const { online, client, sockets, states } = fixture({ fetch });
  const ws = await online();
  const left = client.logout({ everywhere: true });
  await settle();
  ws.serverCloses(4401);
  await left;
  assert.deepEqual(asked, [
    { path: '/v1/auth/logout', method: 'POST', token: 'Bearer access-1', body: { all: true } },
  ]);
  assert.equal(states.at(-1).state, 'closed');
  assert.equal(sockets.length, 1);
  assert.equal(client.user, null);
  // The next one is a new guest.
  client.connect().catch(() => {});
  await settle();
  sockets.at(-1).serverOpens();
  assert.deepEqual(sockets.at(-1).take('hello').data.guest, { device_id: 'd1' });
});

test('a login that had ended already is left all the same, one that could not be ended is not', async () => {
  const gone = server({ '/v1/auth/logout': problem(401, 'unauthorized') });
  const first = fixture({ fetch: gone.fetch });
  const ws = await first.online();
  const left = first.client.logout();
  await settle();
  ws.ok('bye');
  await left;
  assert.equal(first.client.user, null);
  const away = server({ '/v1/auth/logout': problem(503, 'unavailable') });
  const second = fixture({ fetch: away.fetch });
  const other = await second.online();
  const failed = second.client.logout();
  failed.catch(() => {});
  await settle();
  other.ok('bye');
  await assert.rejects(failed, { code: 'unavailable' });
  second.client.connect().catch(() => {});
  await settle();
  second.socket().serverOpens();
  assert.equal(second.socket().take('hello').data.token, 'access-1');
});

test('one way to come in is given', () => {
  for (const ways of [{}, { guest: { deviceId: 'd' }, account: true }, { account: true, getToken: () => 't' }]) {
    assert.throws(() => new Client({ url: 'ws://h/ws', ...ways }), DuologueError);
  }
});

test('whoever deletes themself shows the password and is nobody afterwards', async () => {
  const { asked, fetch } = server({ '/v1/me': new Response(null, { status: 204 }) });
  const { online, client } = fixture({ fetch });
  const connection = await online({ access_token: 'access-1', refresh_token: 'refresh-1' });
  const gone = client.deleteOwnData('correct horse');
  await settle();
  connection.ok('bye');
  await gone;
  assert.deepEqual(asked, [
    { path: '/v1/me', method: 'DELETE', token: 'Bearer access-1', body: { password: 'correct horse' } },
  ]);
  assert.equal(client.user, null);
  assert.equal(client.state, 'closed');
});

test('a wrong password deletes nobody and the connection stays', async () => {
  const { fetch } = server({ '/v1/me': problem(401, 'unauthorized') });
  const { online, client } = fixture({ fetch });
  await online({ access_token: 'access-1', refresh_token: 'refresh-1' });
  await assert.rejects(client.deleteOwnData('a wrong one'), { code: 'unauthorized' });
  assert.equal(client.state, 'online');
});
