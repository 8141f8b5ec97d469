import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, helloOk, match, searching, settle } from './fakes.js';

const turn = (username) => [{ urls: ['turn:h:3478'], username, credential: 'y' }];

const groupFound = {
  room: 'g1',
  name: '',
  self: 'me',
  role: 'member',
  members: [
    { peer: 'ann', role: 'member', initiator: true },
    { peer: 'bob', role: 'member', initiator: false },
  ],
  last_mid: null,
  size: 3,
  tags_common: ['chess'],
  waited_ms: 10,
  deadline: null,
  ice_servers: turn('of the room'),
  ice_policy: 'all',
};

/** A client in a group with Ann, who waited longer, and Bob, who did not. */
async function inGroup(changes = {}) {
  const setup = fixture();
  const ws = await setup.online();
  const search = setup.client.search({ size: 3, tags: ['chess'] });
  const [asked] = ws.sent.filter(({ type }) => type === 'queue.join');
  ws.ok('queue.join', searching);
  ws.push('match.found', { ...groupFound, ...changes }, { seq: 1 });
  const room = await search.matched;
  for (;;) {
    await settle();
    const wish = ws.sent.find((frame) => frame.type === 'ice.refresh');
    if (!wish) break;
    ws.ok('ice.refresh', { ice_servers: turn(`with ${wish.data.to}`), expires_at: 1 });
  }
  return { ...setup, ws, search, room, asked };
}

test('a search for a group gives a room with everybody in it', async () => {
  const { client, room, asked } = await inGroup();
  assert.equal(asked.data.size, 3);
  assert.deepEqual([room.id, room.size, room.tagsCommon, room.deadline], ['g1', 3, ['chess'], null]);
  assert.deepEqual(room.peers.map(({ id }) => id), ['ann', 'bob']);
  assert.deepEqual(client.rooms.joined, [room]);
  assert.equal(client.session, null);
});

test('we open to those who waited longer and wait for the others', async () => {
  const { ws, room } = await inGroup();
  const offers = ws.sent.filter(({ type }) => type === 'rtc.description');
  assert.deepEqual(offers.map(({ data }) => [data.to, data.kind]), [['ann', 'offer']]);
  assert.equal(room.peer('ann').pc.configuration.iceServers[0].username, 'with ann');
  const sdp = 'v=0\r\na=ice-ufrag:b\r\n';
  ws.push('rtc.description', { room: 'g1', from: 'bob', to: 'me', neg: 1, kind: 'offer', sdp }, { seq: 2 });
  await settle();
  const { data } = ws.sent.filter(({ type }) => type === 'rtc.description').at(-1);
  assert.deepEqual([data.to, data.kind], ['bob', 'answer']);
});

test('the deadline is told in local time, and its end by the room', async () => {
  const { ws, room, clock } = await inGroup({ server_time: 1_000_000, deadline: 1_300_000 });
  assert.equal(room.deadline, clock.now() + 300_000);
  const reasons = [];
  room.on('left', ({ reason }) => reasons.push(reason));
  ws.push('peer.left', { room: 'g1', peer: 'me', reason: 'limit', can_reconnect: false }, { seq: 2 });
  assert.deepEqual([reasons, room.left], [['limit'], true]);
});

test('a group that comes after a cancel is left', async () => {
  const { client, online } = fixture();
  const ws = await online();
  const search = client.search({ size: 4 });
  ws.ok('queue.join', searching);
  search.cancel();
  await assert.rejects(search.matched, { code: 'cancelled' });
  ws.push('match.found', groupFound, { seq: 1 });
  assert.deepEqual(ws.take('room.leave').data, { room: 'g1' });
  assert.deepEqual(client.rooms.joined, []);
});

test('a match of the other kind is not taken for what is searched', async () => {
  const { client, online } = fixture();
  const ws = await online();
  const search = client.search({ size: 3 });
  ws.ok('queue.join', searching);
  ws.push('match.found', match, { seq: 1 });
  assert.equal(ws.take('session.end').data.session, 's1');
  assert.equal(search.done, false);
  client.queue();
  ws.push('match.found', groupFound, { seq: 2 });
  assert.equal(ws.take('room.leave').data.room, 'g1');
  await assert.rejects(search.matched, { code: 'cancelled' });
});

test('two people are no group', () => {
  const { client } = fixture();
  for (const size of [undefined, 0, 1, 2, Number.NaN]) {
    assert.throws(() => client.search({ size }), { code: 'bad_request' });
  }
});

test('a group that the server has forgotten is over', async () => {
  const { reconnected, room } = await inGroup();
  const left = new Promise((resolve) => room.on('left', ({ reason }) => resolve(reason)));
  const ws = await reconnected();
  ws.ok('hello', { ...helloOk, resumed: true, gap: true });
  await settle();
  ws.push('sync', { sessions: [], rooms: [] });
  ws.error('room.join', { code: 'not_found', message: 'there is no such room' });
  assert.equal(await left, 'not_found');
});

test('somebody in a room is blocked by the alias', async () => {
  const { ws, room } = await inGroup();
  const blocking = room.block('ann');
  assert.deepEqual(ws.take('block.add').data, { room: 'g1', peer: 'ann' });
  ws.push('peer.left', { room: 'g1', peer: 'ann', reason: 'left', can_reconnect: false }, { seq: 2 });
  assert.deepEqual(room.peers.map(({ id }) => id), ['bob']);
  void blocking;
});
