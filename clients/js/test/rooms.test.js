import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakePeerConnection, fixture, helloOk, settle } from './fakes.js';

const turn = (username) => [{ urls: ['turn:h:3478'], username, credential: 'y' }];

const roomOk = {
  room: 'r1',
  name: 'Tea',
  self: 'me',
  role: 'member',
  members: [
    { peer: 'ann', role: 'owner', media: { audio: true, video: false, screen: false } },
    { peer: 'bob', role: 'member' },
  ],
  last_mid: null,
  ice_servers: turn('of the room'),
  ice_policy: 'all',
};

/** A client in a room with Ann and Bob, who have their credentials. */
async function inRoom(setup = fixture(), ok = roomOk, options = {}) {
  const ws = await setup.online();
  const joining = setup.client.rooms.join('r1', options);
  ws.ok('room.join', ok);
  const room = await joining;
  await giveCredentials(ws);
  const events = [];
  for (const type of ['peer-joined', 'peer-left', 'peer-lost', 'peer-resumed', 'left', 'rejoined']) {
    room.on(type, ({ peer, reason }) => events.push([type, peer?.id, reason].filter(Boolean).join(' ')));
  }
  return { ...setup, ws, room, events };
}

/** Answers every `ice.refresh` with credentials for that pair. */
async function giveCredentials(ws) {
  for (;;) {
    await settle();
    const asked = ws.sent.find((frame) => frame.type === 'ice.refresh');
    if (!asked) return;
    ws.ok('ice.refresh', { ice_servers: turn(`with ${asked.data.to}`), expires_at: 1 });
  }
}

const offersOf = (ws) => ws.sent.filter(({ type }) => type === 'rtc.description');

test('the newcomer offers to each, with credentials of each pair', async () => {
  const { ws, room } = await inRoom();
  assert.deepEqual(room.peers.map(({ id, role }) => [id, role]), [['ann', 'owner'], ['bob', 'member']]);
  assert.deepEqual(offersOf(ws).map(({ data }) => [data.room, data.to, data.kind, data.neg]), [
    ['r1', 'ann', 'offer', 1],
    ['r1', 'bob', 'offer', 1],
  ]);
  assert.equal(room.peer('ann').pc.configuration.iceServers[0].username, 'with ann');
  assert.deepEqual(room.peer('ann').media, { audio: true, video: false, screen: false });
});

test('without credentials of the pair those of the room are used', async () => {
  const setup = fixture();
  const ws = await setup.online();
  const joining = setup.client.rooms.join('r1');
  ws.ok('room.join', roomOk);
  const room = await joining;
  ws.error('ice.refresh', { code: 'unavailable', retryable: true });
  await settle();
  assert.equal(room.peer('ann').pc.configuration.iceServers[0].username, 'of the room');
});

test('who comes later opens, and its offer waits for our credentials', async () => {
  const { ws, room, events } = await inRoom();
  ws.push('peer.joined', { room: 'r1', peer: 'cat', role: 'member' }, { seq: 1 });
  ws.push('rtc.description', { room: 'r1', from: 'cat', to: 'me', neg: 1, kind: 'offer', sdp: 'v=0\r\na=ice-ufrag:c\r\n' }, { seq: 2 });
  await settle();
  assert.equal(room.peer('cat').pc, null);
  await giveCredentials(ws);
  const { data } = offersOf(ws).at(-1);
  assert.deepEqual([data.to, data.kind, data.neg], ['cat', 'answer', 1]);
  assert.deepEqual(events, ['peer-joined cat']);
});

test('signals go to the connection with whoever sent them', async () => {
  const { ws, room } = await inRoom();
  ws.push('rtc.description', { room: 'r1', from: 'bob', to: 'me', neg: 1, kind: 'answer', sdp: 'v=0\r\na=ice-ufrag:b\r\n' }, { seq: 1 });
  ws.push('rtc.candidates', { room: 'r1', from: 'bob', to: 'me', neg: 1, ufrag: 'b', candidates: [{ candidate: 'x' }] }, { seq: 2 });
  await settle();
  assert.equal(room.peer('bob').pc.signalingState, 'stable');
  assert.equal(room.peer('bob').pc.candidates.length, 1);
  assert.equal(room.peer('ann').pc.signalingState, 'have-local-offer');
  const states = [];
  room.on('peer-state', ({ peer }) => states.push([peer.id, peer.state]));
  room.peer('bob').pc.become('connected');
  assert.deepEqual(states, [['bob', 'connected']]);
});

test('whoever leaves is closed, the others stay', async () => {
  const { ws, room, events } = await inRoom();
  const { pc } = room.peer('ann');
  ws.push('peer.left', { room: 'r1', peer: 'ann', reason: 'left', can_reconnect: false }, { seq: 1 });
  assert.equal(pc.signalingState, 'closed');
  assert.deepEqual([room.peers.map(({ id }) => id), events], [['bob'], ['peer-left ann left']]);
});

test('whoever is lost is waited for and told again what we send', async () => {
  const { ws, room, events, clock } = await inRoom();
  ws.push('peer.left', { room: 'r1', peer: 'ann', reason: 'lost', can_reconnect: true, until: clock.now() + 9 }, { seq: 1 });
  assert.equal(room.peer('ann').lostUntil, clock.now() + 9);
  ws.sent.length = 0;
  ws.push('peer.resumed', { room: 'r1', peer: 'ann' }, { seq: 2 });
  await settle();
  assert.equal(room.peer('ann').lostUntil, null);
  assert.deepEqual(events, ['peer-lost ann', 'peer-resumed ann']);
  // The offer that was open is said again.
  assert.deepEqual(ws.types().sort(), ['media.state', 'rtc.description']);
});

test('put out: everything is closed and the reason told', async () => {
  const { ws, room, events, client } = await inRoom();
  const pcs = room.peers.map(({ pc }) => pc);
  ws.push('peer.left', { room: 'r1', peer: 'me', reason: 'kicked', can_reconnect: false }, { seq: 1 });
  assert.deepEqual(pcs.map(({ signalingState }) => signalingState), ['closed', 'closed']);
  assert.deepEqual([events, client.rooms.joined, room.left], [['left kicked'], [], true]);
});

test('leave tells the server, also one that could not be reached then', async () => {
  const { ws, room, reconnected, client } = await inRoom();
  ws.serverCloses(1006);
  await room.leave();
  assert.deepEqual(client.rooms.joined, []);
  const next = await reconnected();
  next.ok('hello', { ...helloOk, resumed: true });
  await settle();
  assert.deepEqual(next.take('room.leave').data, { room: 'r1' });
});

test('a resume says again what may be lost', async () => {
  const { reconnected, room } = await inRoom();
  const ws = await reconnected();
  ws.ok('hello', { ...helloOk, resumed: true });
  await settle();
  assert.equal(offersOf(ws).length, 2);
  assert.equal(ws.types().includes('room.join'), false);
  assert.equal(room.left, false);
});

test('after a gap sync says who came and who went', async () => {
  const { reconnected, room, events } = await inRoom();
  const ws = await reconnected();
  ws.ok('hello', { ...helloOk, resumed: true, gap: true });
  await settle();
  const members = [{ peer: 'bob', role: 'member' }, { peer: 'cat', role: 'member' }];
  ws.push('sync', { sessions: [], rooms: [{ ...roomOk, members }] });
  await giveCredentials(ws);
  assert.deepEqual(events, ['peer-left ann left', 'peer-joined cat']);
  // Cat is the newcomer, so only the open offer to Bob is said again.
  assert.deepEqual(offersOf(ws).map(({ data }) => data.to), ['bob']);
  assert.equal(room.left, false);
});

test('a server that has forgotten the room is asked to let us in again', async () => {
  const setup = fixture();
  const { reconnected, room, events } = await inRoom(setup, roomOk, { ticket: 't' });
  const before = room.peer('bob').pc;
  const ws = await reconnected();
  ws.ok('hello', helloOk);
  await settle();
  const { data } = ws.sent.find(({ type }) => type === 'room.join');
  assert.deepEqual([data.room, data.ticket], ['r1', 't']);
  ws.ok('room.join', { ...roomOk, members: [{ peer: 'bob', role: 'member' }] });
  await giveCredentials(ws);
  assert.equal(before.signalingState, 'closed');
  assert.notEqual(room.peer('bob').pc, before);
  assert.deepEqual(events, ['peer-left ann lost', 'peer-left bob lost', 'rejoined', 'peer-joined bob']);
});

test('what was written while we were away is told once we are back, and nothing older', async () => {
  for (const gap of [true, false]) {
    const setup = fixture();
    const { reconnected, room } = await inRoom(setup, { ...roomOk, last_mid: 'm1' });
    const told = [];
    room.on('message', ({ mid }) => told.push(mid));
    const ws = await reconnected();
    ws.ok('hello', { ...helloOk, resumed: gap, gap });
    await settle();
    if (gap) ws.push('sync', { sessions: [], rooms: [roomOk] });
    else ws.ok('room.join', roomOk);
    await settle();
    const [{ data }] = ws.sent.filter(({ type }) => type === 'chat.history');
    assert.deepEqual(data, { room: 'r1', limit: 100, after: 'm1' });
    ws.ok('chat.history', {
      messages: [
        { mid: 'm2', from: 'ann', kind: 'text', text: 'hi' },
        { mid: 'm3', from: 'me', kind: 'text', text: 'mine' },
      ],
      more: false,
    });
    await settle();
    assert.deepEqual(told, ['m2']);
  }
});

test('a room that is gone when we come back is left', async () => {
  const { reconnected, events } = await inRoom();
  const ws = await reconnected();
  ws.ok('hello', helloOk);
  await settle();
  ws.error('room.join', { code: 'not_found' });
  await settle();
  assert.deepEqual(events, ['left not_found']);
});

test('a room that only the server knows is left there', async () => {
  const { online } = fixture();
  const ws = await online({ gap: true });
  ws.push('sync', { sessions: [], rooms: [roomOk] });
  await settle();
  assert.deepEqual(ws.take('room.leave').data, { room: 'r1' });
});

test('another track goes to everybody, and to those who come later', async () => {
  const track = { kind: 'video', enabled: true };
  const stream = { getTracks: () => [track], getAudioTracks: () => [], getVideoTracks: () => [track] };
  const { ws, room } = await inRoom(fixture(), roomOk, { stream });
  assert.deepEqual(ws.take('media.state').data, { room: 'r1', audio: false, video: true, screen: false });
  room.setEnabled('video', false);
  assert.equal(track.enabled, false);
  assert.equal(ws.take('media.state').data.video, false);
  assert.deepEqual(room.peer('ann').pc.transceivers[1].sender.track ?? room.peer('ann').pc.transceivers[0].sender.track, track);
});

test('chat carries the room, and typing ends by itself', async () => {
  const { ws, room, clock } = await inRoom();
  const [messages, typing] = [[], []];
  room.on('message', ({ from, text }) => messages.push([from, text]));
  room.on('typing', ({ peer, on }) => typing.push([peer.id, on]));
  const sending = room.chat.send('hello');
  await settle();
  const sent = ws.sent.find(({ type }) => type === 'chat.send').data;
  assert.deepEqual([sent.room, sent.session, sent.text], ['r1', undefined, 'hello']);
  ws.ok('chat.send', { mid: 'm1', ts: 5 });
  assert.equal((await sending).mid, 'm1');
  ws.push('chat.typing', { room: 'r1', from: 'ann', on: true });
  ws.push('chat.typing', { room: 'r1', from: 'bob', on: true });
  ws.push('chat.message', { room: 'r1', from: 'ann', mid: 'm2', ts: 6, kind: 'text', text: 'hi' }, { seq: 1 });
  await clock.advance(6_000);
  assert.deepEqual(messages, [['ann', 'hi']]);
  assert.deepEqual(typing, [['ann', true], ['bob', true], ['ann', false], ['bob', false]]);
});

test('new credentials are fetched for each pair, and the newcomer moves to them', async () => {
  const { ws, room } = await inRoom();
  ws.push('ice.updated', { room: 'r1', ice_servers: turn('new'), expires_at: 2 }, { seq: 1 });
  const asked = ws.sent.filter(({ type }) => type === 'ice.refresh').map(({ data }) => data.to);
  assert.deepEqual(asked, ['ann', 'bob']);
  await giveCredentials(ws);
  assert.equal(room.peer('bob').pc.configuration.iceServers[0].username, 'with bob');
});

test('a closed client is in no room', async () => {
  const { ws, client, events } = await inRoom();
  const closing = client.close();
  ws.ok('bye');
  await closing;
  assert.deepEqual(events, ['left left']);
});

test('rooms are made, opened and managed over REST with the token of the connection', async () => {
  const requests = [];
  const answers = {
    'POST /v1/rooms': [201, { id: 'r 1', name: 'Tea', role: 'owner', created_at: 5, present: 0 }],
    'GET /v1/rooms': [200, { rooms: [{ id: 'r1', name: 'Tea', role: 'owner', created_at: 5, present: 2 }] }],
    'POST /v1/rooms/r%201/invites': [201, { ticket: 't', expires_at: 9 }],
    'GET /v1/rooms/r%201/members': [200, { members: [{ peer: 'a', role: 'owner', joined_at: 5, present: true }] }],
    'DELETE /v1/rooms/r%201/members/b': [204, null],
    'DELETE /v1/rooms/r%201': [403, { code: 'forbidden', detail: 'only its owner removes a room' }],
  };
  const fetch = async (url, { method, headers, body }) => {
    const { pathname, origin } = new URL(url);
    requests.push([origin, headers.authorization, body]);
    const [status, answer] = answers[`${method} ${pathname}`];
    return new Response(answer && JSON.stringify(answer), { status });
  };
  const { online, client } = fixture({ fetch });
  await online();
  assert.deepEqual(await client.rooms.create('Tea'), { id: 'r 1', name: 'Tea', role: 'owner', createdAt: 5, present: 0 });
  assert.deepEqual(requests, [['https://host', 'Bearer access-1', '{"name":"Tea"}']]);
  assert.equal((await client.rooms.list())[0].present, 2);
  assert.deepEqual(await client.rooms.invite('r 1', { ttlMs: 60_000 }), { ticket: 't', expiresAt: 9 });
  assert.equal(requests.at(-1)[2], '{"ttl_ms":60000}');
  assert.deepEqual(await client.rooms.members('r 1'), [{ peer: 'a', role: 'owner', joinedAt: 5, present: true }]);
  await client.rooms.dismiss('r 1', 'b');
  await assert.rejects(client.rooms.remove('r 1'), { code: 'forbidden', retryable: false });
});

test('a full room is refused and nothing is opened', async () => {
  const { online, client } = fixture();
  const ws = await online();
  const before = FakePeerConnection.all.length;
  const joining = assert.rejects(client.rooms.join('r1'), { code: 'conflict' });
  ws.error('room.join', { code: 'conflict', retryable: false });
  await joining;
  assert.deepEqual([client.rooms.joined, FakePeerConnection.all.length], [[], before]);
});

test('a room that may have been made is asked for again with the same key, once', async () => {
  const keys = [];
  const answers = [null, { id: 'r', room: 'r', name: 'Tea', role: 'owner' }, null, null];
  const fetch = async (_url, { headers }) => {
    keys.push(headers['idempotency-key']);
    const answer = answers[keys.length - 1];
    if (!answer) throw new TypeError('the connection was lost');
    return Response.json(answer, { status: 201 });
  };
  const { online, client } = fixture({ fetch });
  await online({ access_token: 'access-1', refresh_token: 'refresh-1' });
  assert.equal((await client.rooms.create('Tea')).id, 'r');
  await assert.rejects(client.rooms.create('Coffee'), { code: 'unavailable', retryable: true });
  assert.match(keys[0], /^[0-9a-f-]{36}$/);
  assert.equal(keys[0], keys[1]);
  assert.equal(keys[2], keys[3]);
  assert.notEqual(keys[0], keys[2]);
});
