import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, helloOk, match, searching, settle } from './fakes.js';

const RESUMABLE = { resume_token: 'r1', resume_window_ms: 30_000 };

/** A call over a connection that can be resumed. */
async function inCall(options) {
  const world = fixture(options);
  const ws = await world.online(RESUMABLE);
  const search = world.client.queue({ tags: ['chess'] });
  ws.ok('queue.join', searching);
  ws.push('match.found', match, { seq: 1 });
  const session = await search.matched;
  await settle();
  return { ...world, ws, session, pc: session.pc };
}

/** Loses the connection and goes on with it on the next socket. */
async function resumed(world, changes = {}) {
  const ws = await world.reconnected();
  const { data } = ws.sent.find(({ type }) => type === 'hello');
  ws.ok('hello', { ...helloOk, ...RESUMABLE, resumed: true, resume_token: 'r2', ...changes });
  await settle();
  return { ws, hello: data };
}

const flowing = (bytesReceived) => new Map([['i', { id: 'i', type: 'inbound-rtp', bytesReceived }]]);

test('in mid-call a lost connection changes nothing but its own state', async () => {
  const world = await inCall();
  const { session, pc, client } = world;
  world.ws.ok('rtc.description');
  await pc.setRemoteDescription({ type: 'answer', sdp: 'v=0' });
  pc.become('connected');
  session.on('ended', () => assert.fail('it goes on'));
  pc.stats = flowing(1);
  const { ws, hello } = await resumed(world);
  assert.deepEqual(hello.resume, { token: 'r1', last_seq: 1 });
  pc.stats = flowing(2);
  await world.clock.advance(3_000);
  assert.deepEqual([session.state, client.session], ['connected', session]);
  assert.ok(ws.types().includes('media.state'), 'what we send is told again');
  assert.ok(!ws.types().includes('rtc.description'), 'a path that works is left alone');
});

test('a path that carries nothing any more is replaced after the return', async () => {
  const world = await inCall();
  const { pc } = world;
  world.ws.ok('rtc.description');
  await pc.setRemoteDescription({ type: 'answer', sdp: 'v=0' });
  pc.become('connected');
  pc.stats = flowing(7);
  const { ws } = await resumed(world);
  await world.clock.advance(1_400);
  assert.ok(!ws.types().includes('rtc.description'));
  await world.clock.advance(100);
  const { data } = ws.take('rtc.description');
  assert.deepEqual([data.kind, data.neg], ['offer', 2]);
});

test('an offer that was under way is repeated after the return', async () => {
  const world = await inCall();
  const { ws } = await resumed(world);
  const { data } = ws.take('rtc.description');
  assert.deepEqual([data.kind, data.neg], ['offer', 1]);
});

test('what is replayed although we had it is not heard twice', async () => {
  const world = await inCall();
  const heard = [];
  world.session.on('message', ({ text }) => heard.push(text));
  world.ws.push('chat.message', { session: 's1', mid: '1', text: 'one' }, { seq: 2 });
  const { ws } = await resumed(world);
  ws.push('chat.message', { session: 's1', mid: '1', text: 'one' }, { seq: 2 });
  ws.push('chat.message', { session: 's1', mid: '2', text: 'two' }, { seq: 3 });
  assert.deepEqual(heard, ['one', 'two']);
});

test('16 sequenced pushes, or 16 KiB of them, are acknowledged; news is not', async () => {
  const { ws } = await inCall();
  const acks = () => ws.sent.filter(({ type }) => type === 'ack').map(({ data }) => data.seq);
  for (let seq = 2; seq <= 15; seq += 1) {
    ws.push('chat.message', { session: 's1', mid: String(seq), text: 'x' }, { seq });
    ws.push('chat.typing', { session: 's1', on: false });
  }
  assert.deepEqual(acks(), []);
  ws.push('chat.message', { session: 's1', mid: '16', text: 'x' }, { seq: 16 });
  assert.deepEqual(acks(), [16]);
  ws.push('rtc.description', { session: 's1', kind: 'rollback', sdp: 'v'.repeat(16_384) }, { seq: 17 });
  assert.deepEqual(acks(), [16, 17]);
});

test('a plain hello that takes the session over counts from the start', async () => {
  const world = await inCall();
  const first = await world.reconnected();
  first.ok('hello', { ...helloOk, ...RESUMABLE, gap: true });
  await settle();
  first.push('sync', { sessions: [{ session: 's1', deadline: null, neg: 1 }] });
  const { hello } = await resumed(world);
  assert.equal(hello.resume.last_seq, 0);
});

test('after a gap the session goes on with the deadline of sync and fresh credentials', async () => {
  const world = await inCall();
  const { session, pc, clock } = world;
  const { ws } = await resumed(world, { gap: true });
  ws.sent.length = 0;
  ws.push('sync', { sessions: [{ session: 's1', deadline: clock.now() + 60_000, neg: 4 }] });
  await settle();
  assert.deepEqual(ws.types(), ['media.state', 'ice.refresh', 'chat.history', 'rtc.description']);
  ws.ok('ice.refresh', { ice_servers: [{ urls: ['turn:new:1'] }], expires_at: 1 });
  await settle();
  assert.deepEqual(pc.configuration.iceServers, [{ urls: ['turn:new:1'] }]);
  assert.ok(session.remainingMs() <= 60_000 && session.state !== 'ended');
});

test('a session that sync does not know is lost', async () => {
  const world = await inCall();
  const reasons = [];
  world.session.on('ended', ({ reason }) => reasons.push(reason));
  const { ws } = await resumed(world, { gap: true });
  ws.push('sync', { sessions: [] });
  assert.deepEqual(reasons, ['lost']);
});

test('the loss of the other side and its return are told, with the time that is left', async () => {
  const { ws, session, clock } = await inCall();
  const seen = [];
  session.on('peer-left', ({ canReconnect, until }) => seen.push(['left', canReconnect, until]));
  session.on('peer-resumed', () => seen.push(['resumed', session.peerLostUntil]));
  const until = clock.now() + 30_000;
  ws.push('peer.left', { session: 's1', peer: 'b', reason: 'lost', can_reconnect: true, until }, { seq: 2 });
  assert.equal(session.peerLostUntil, until);
  ws.sent.length = 0;
  ws.push('peer.resumed', { session: 's1', peer: 'b' }, { seq: 3 });
  await settle();
  assert.deepEqual(seen, [['left', true, until], ['resumed', null]]);
  // It has missed our devices, and the offer that nobody answered.
  assert.deepEqual(ws.types(), ['media.state', 'rtc.description']);
});

test('after a gap the other side counts as there until it is told otherwise', async () => {
  const world = await inCall();
  const { session, clock } = world;
  const until = clock.now() + 30_000;
  const left = { session: 's1', peer: 'b', reason: 'lost', can_reconnect: true, until };
  world.ws.push('peer.left', left, { seq: 2 });
  const { ws } = await resumed(world, { gap: true });
  ws.push('sync', { sessions: [{ session: 's1' }] });
  assert.equal(session.peerLostUntil, null);
  ws.push('peer.left', left, { seq: 5 });
  assert.equal(session.peerLostUntil, until);
});

test('a session ended without a connection is ended on the server after the return', async () => {
  const world = await inCall();
  world.ws.serverCloses(1006);
  await world.session.end();
  await world.clock.advance(8_000);
  const ws = world.socket();
  ws.serverOpens();
  ws.ok('hello', { ...helloOk, ...RESUMABLE, resumed: true });
  await settle();
  assert.equal(ws.take('session.end').data.session, 's1');
});

test('a search given up without a connection leaves the queue after the return', async () => {
  const world = fixture();
  const first = await world.online(RESUMABLE);
  const search = world.client.queue();
  first.ok('queue.join', searching);
  first.serverCloses(1006);
  search.cancel();
  await world.clock.advance(8_000);
  const ws = world.socket();
  ws.serverOpens();
  ws.ok('hello', { ...helloOk, ...RESUMABLE, resumed: true });
  await settle();
  assert.deepEqual(ws.types(), ['queue.leave']);
});

test('a skip cut off by a loss goes on as a search, whether it got through or not', async () => {
  const world = await inCall();
  const reasons = [];
  world.session.on('ended', ({ reason }) => reasons.push(reason));
  const next = world.session.next();
  world.ws.serverCloses(1006);
  const search = await next;
  await world.clock.advance(8_000);
  const ws = world.socket();
  ws.serverOpens();
  ws.ok('hello', { ...helloOk, ...RESUMABLE, resumed: true });
  await settle();
  assert.deepEqual(ws.types(), ['session.end', 'queue.join']);
  // It had got through: the ticket is there, the session is not.
  ws.error('session.end', { code: 'not_in_session' });
  ws.error('queue.join', { code: 'already_queued' });
  ws.push('session.ended', { session: 's1', reason: 'skipped' }, { seq: 2 });
  ws.push('match.found', { ...match, session: 's2' }, { seq: 3 });
  assert.equal((await search.matched).id, 's2');
  assert.deepEqual(reasons, ['skipped']);
});

test('a message written during the cut is sent once the connection is back, under one name', async () => {
  const world = await inCall();
  const sent = world.session.chat.send('hello?');
  await settle();
  const cid = world.ws.take('chat.send').data.cid;
  const { ws } = await resumed(world);
  await world.clock.advance(4_000);
  const again = ws.sent.filter(({ type }) => type === 'chat.send');
  assert.deepEqual(again.map(({ data }) => data.cid), [cid]);
  ws.ok('chat.send', { mid: '1', ts: 5 });
  assert.equal((await sent).mid, '1');
});

test('the resume token is tried as long as the server may still keep the place', async () => {
  const world = await inCall();
  const lostAt = world.clock.now();
  world.ws.serverCloses(1006);
  const identities = new Map();
  for (let attempt = 0; attempt < 20; attempt += 1) {
    await world.clock.advance(5_000);
    const ws = world.socket();
    ws.serverOpens();
    const hello = ws.sent.find(({ type }) => type === 'hello');
    if (hello) identities.set(world.clock.now() - lostAt, hello.data);
    ws.serverCloses(1006);
  }
  for (const [afterMs, { resume, token }] of identities) {
    if (afterMs <= 60_000) assert.deepEqual(resume, { token: 'r1', last_seq: 1 }, `${afterMs} ms`);
    if (afterMs > 70_000) assert.equal(token, 'access-1', `${afterMs} ms`);
  }
  assert.ok(Math.max(...identities.keys()) > 80_000);
});
