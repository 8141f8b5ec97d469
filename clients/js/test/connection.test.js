import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, helloOk, settle } from './fakes.js';

const names = (states) => states.map(({ state }) => state);

test('a guest says hello with its device id and comes online', async () => {
  const { online, client, states } = fixture();
  const connected = client.connect();
  const ws = await online();
  await connected;
  assert.equal(ws.protocol, 'duologue.v1');
  assert.deepEqual(names(states), ['connecting', 'online']);
  assert.equal(client.user.id, 'u1');
});

test('hello carries identity, client and features', async () => {
  const { client, socket } = fixture();
  client.connect();
  await settle();
  socket().serverOpens();
  const { data } = socket().take('hello');
  assert.deepEqual(data.guest, { device_id: 'd1' });
  assert.equal(data.client.name, 'duologue-js');
  assert.deepEqual(data.features, ['resume']);
});

test('a lost connection comes back with the access token of the same guest', async () => {
  const { online, reconnected, states } = fixture();
  await online();
  const ws = await reconnected();
  assert.deepEqual(ws.take('hello').data.token, 'access-1');
  assert.deepEqual(names(states), ['connecting', 'online', 'offline', 'connecting']);
  assert.equal(states[2].retryInMs, 150);
});

test('inside the resume window the hello resumes from the last seq', async () => {
  const { online, reconnected } = fixture();
  const first = await online({ resume_token: 'r1', resume_window_ms: 30_000 });
  first.push('moderation.notice', { action: 'warn' }, { seq: 7 });
  const ws = await reconnected();
  assert.deepEqual(ws.take('hello').data.resume, { token: 'r1', last_seq: 7 });
});

test('a refused resume falls back to the access token', async () => {
  const { online, reconnected } = fixture();
  await online({ resume_token: 'r1', resume_window_ms: 30_000 });
  await reconnected();
  const ws = await reconnected(4401);
  assert.equal(ws.take('hello').data.token, 'access-1');
});

test('4401 refreshes over HTTP, then says hello with the new token', async () => {
  const requests = [];
  const fetch = async (url, { body }) => {
    requests.push({ url, body: JSON.parse(body) });
    const tokens = { access_token: 'access-2', refresh_token: 'refresh-2', expires_in: 300 };
    return new Response(JSON.stringify(tokens), { status: 200 });
  };
  const { online, reconnected } = fixture({ fetch });
  await online();
  const ws = await reconnected(4401);
  assert.equal(ws.take('hello').data.token, 'access-2');
  assert.deepEqual(requests, [
    { url: 'https://host/v1/auth/refresh', body: { refresh_token: 'refresh-1' } },
  ]);
});

test('a guest whose refresh token is refused starts over as a new guest', async () => {
  const fetch = async () => new Response('{}', { status: 401 });
  const { online, reconnected } = fixture({ fetch });
  await online();
  const ws = await reconnected(4401);
  assert.deepEqual(ws.take('hello').data.guest, { device_id: 'd1' });
});

test('hellos refused again and again end in closed', async () => {
  const fetch = async () => new Response('{}', { status: 401 });
  const { client, clock, sockets, states } = fixture({ fetch });
  client.connect().catch(() => {});
  for (let hello = 0; hello < 4; hello += 1) {
    await clock.advance(8_000);
    sockets.at(-1).serverOpens();
    sockets.at(-1).error('hello', { code: 'unauthorized' });
    sockets.at(-1).serverCloses(4401);
  }
  await clock.advance(60_000);
  assert.deepEqual(states.at(-1), { state: 'closed', reason: 'unauthorized', terminal: true });
  assert.equal(sockets.length, 4);
});

for (const code of [4400, 4403, 4409, 4413, 4426]) {
  test(`close ${code} is final`, async () => {
    const { online, client, clock, sockets, states } = fixture();
    const ws = await online();
    ws.serverCloses(code);
    await clock.advance(60_000);
    assert.equal(client.state, 'closed');
    assert.equal(states.at(-1).terminal, true);
    assert.equal(sockets.length, 1);
  });
}

for (const code of [1006, 1011, 1012, 4408, 4429, 4440]) {
  test(`close ${code} is followed by another attempt`, async () => {
    const { online, reconnected, sockets } = fixture();
    await online();
    await reconnected(code);
    assert.equal(sockets.length, 2);
  });
}

test('a refused hello waits as long as the server asks, even when it does not close', async () => {
  const { client, clock, socket, sockets, states } = fixture();
  client.connect();
  await settle();
  socket().serverOpens();
  socket().error('hello', { code: 'rate_limited', retryable: true, retry_after_ms: 20_000 });
  await clock.advance(2_000);
  assert.equal(states.at(-1).state, 'offline');
  assert.equal(states.at(-1).retryInMs, 20_150);
  await clock.advance(17_000);
  assert.equal(sockets.length, 1);
  await clock.advance(3_000);
  assert.equal(sockets.length, 2);
});

test('a socket that never opens is given up after 10 s', async () => {
  const { client, clock, states } = fixture();
  client.connect();
  await clock.advance(10_000);
  assert.equal(states.at(-1).state, 'offline');
});

test('getToken supplies the token of every hello and learns of a refusal', async () => {
  const asked = [];
  const getToken = async (why) => {
    asked.push(why.refresh);
    return `jwt-${asked.length}`;
  };
  const { online, reconnected } = fixture({ guest: undefined, getToken });
  await online({ access_token: undefined, refresh_token: undefined });
  const ws = await reconnected(4401);
  assert.equal(ws.take('hello').data.token, 'jwt-2');
  assert.deepEqual(asked, [false, true]);
});

test('auth.expiring renews the token on the living socket', async () => {
  const tokens = { access_token: 'access-2', refresh_token: 'refresh-2', expires_in: 300 };
  const fetch = async () => new Response(JSON.stringify(tokens), { status: 200 });
  const { online } = fixture({ fetch });
  const ws = await online();
  ws.push('auth.expiring', { at: 1 });
  await settle();
  assert.equal(ws.take('auth.refresh').data.token, 'access-2');
});

test('a request without a reply times out, one cut off by a close says so', async () => {
  const { online, client, clock } = fixture();
  const ws = await online();
  const silent = assert.rejects(client.request('x.y'), { code: 'timeout', retryable: true });
  await clock.advance(10_000);
  await silent;
  const cut = assert.rejects(client.request('x.y'), { code: 'disconnected', retryable: true });
  ws.serverCloses(1006);
  await cut;
  await assert.rejects(client.request('x.y'), { code: 'offline', retryable: true });
});

test('a wire error keeps its code and its wait', async () => {
  const { online, client } = fixture();
  const ws = await online();
  const reply = assert.rejects(client.request('x.y'), { code: 'rate_limited', retryAfterMs: 900 });
  ws.error('x.y', { code: 'rate_limited', retryable: true, retry_after_ms: 900 });
  await reply;
});

test('frames that are no JSON objects are ignored', async () => {
  const { online, client } = fixture();
  const ws = await online();
  for (const data of ['', '[]', 'null', '{"type":1}', '{']) {
    ws.dispatchEvent(Object.assign(new Event('message'), { data }));
  }
  assert.equal(client.state, 'online');
});

test('close says bye and stays closed', async () => {
  const { online, client, clock, sockets, states } = fixture();
  const ws = await online();
  const closed = client.close();
  ws.ok('bye');
  await closed;
  await clock.advance(60_000);
  assert.deepEqual(states.at(-1), { state: 'closed', reason: 'bye', terminal: false });
  assert.equal(sockets.length, 1);
});

test('reconnect: false closes after the first loss', async () => {
  const { online, client, states } = fixture({ reconnect: false });
  (await online()).serverCloses(1006);
  assert.equal(client.state, 'closed');
  assert.equal(states.at(-1).terminal, false);
});

test('a woken page reconnects at once and probes a silent socket', async (t) => {
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  Object.assign(globalThis, { window, document });
  t.after(() => {
    delete globalThis.window;
    delete globalThis.document;
  });
  const { online, clock, sockets, states } = fixture();
  const first = await online();
  await clock.advance(6_000);
  document.dispatchEvent(new Event('visibilitychange'));
  assert.ok(first.types().includes('ack'));
  await clock.advance(4_000);
  assert.equal(states.at(-1).state, 'offline');
  window.dispatchEvent(new Event('online'));
  await settle();
  assert.equal(sockets.length, 2);
  sockets[1].serverOpens();
  sockets[1].ok('hello', helloOk);
  await settle();
  assert.equal(states.at(-1).state, 'online');
});
