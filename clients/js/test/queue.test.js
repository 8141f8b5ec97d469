import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, helloOk, match, searching, settle } from './fakes.js';

test('queue connects by itself, joins and resolves with the session', async () => {
  const { client, socket } = fixture();
  const search = client.queue({ tags: ['chess'], languages: ['en'], region: 'eu' });
  await settle();
  socket().serverOpens();
  socket().ok('hello', helloOk);
  await settle();
  const join = socket().sent.find(({ type }) => type === 'queue.join');
  assert.deepEqual(join.data, {
    tags: ['chess'],
    languages: ['en'],
    region: 'eu',
    media: { audio: false, video: false },
  });
  socket().ok('queue.join', searching);
  socket().push('match.found', match, { seq: 1 });
  const session = await search.matched;
  assert.equal(session.id, 's1');
  assert.deepEqual(session.peer, { id: 'b', tagsCommon: ['chess'], language: 'en' });
  assert.equal(client.session, session);
});

test('status comes from the reply and from pushes', async () => {
  const { online, client } = fixture();
  const ws = await online();
  const search = client.queue();
  const states = [];
  search.on('status', ({ state, ahead, etaMs }) => states.push([state, ahead, etaMs]));
  ws.ok('queue.join', { ...searching, ahead: 3 });
  await settle();
  ws.push('queue.status', { ...searching, state: 'widening', eta_ms: 900 });
  assert.deepEqual(states, [['searching', 3, null], ['widening', 0, 900]]);
});

test('cancel leaves the queue; a match that was under way is ended', async () => {
  const { online, client } = fixture();
  const ws = await online();
  const search = client.queue();
  ws.ok('queue.join', searching);
  search.cancel();
  await assert.rejects(search.matched, { code: 'cancelled' });
  assert.ok(ws.types().includes('queue.leave'));
  ws.push('match.found', match, { seq: 1 });
  assert.equal(ws.take('session.end').data.session, 's1');
  assert.equal(client.session, null);
});

test('a search joins again after a fresh hello, but not after a resume', async () => {
  const { online, client, reconnected } = fixture();
  const first = await online({ resume_token: 'r1', resume_window_ms: 30_000 });
  client.queue({ tags: ['go'] });
  first.ok('queue.join', searching);
  const second = await reconnected();
  second.ok('hello', { ...helloOk, resumed: true, resume_token: 'r2', resume_window_ms: 30_000 });
  await settle();
  assert.ok(!second.types().includes('queue.join'));
  const third = await reconnected();
  third.ok('hello', helloOk);
  await settle();
  assert.deepEqual(third.take('queue.join').data.tags, ['go']);
});

test('after a gap sync decides: joined again only when no ticket is left', async () => {
  const { online, client, reconnected } = fixture();
  (await online()).sent.length = 0;
  const search = client.queue();
  let ws = await reconnected();
  ws.ok('hello', { ...helloOk, gap: true });
  await settle();
  assert.deepEqual(ws.types(), []);
  ws.push('sync', { queue: { ...searching, ahead: 9 } });
  assert.equal(search.status.ahead, 9);
  assert.deepEqual(ws.types(), []);
  ws = await reconnected();
  ws.ok('hello', { ...helloOk, gap: true });
  await settle();
  ws.push('sync', {});
  assert.deepEqual(ws.types(), ['queue.join']);
});

test('a retryable refusal is tried again after the wait, a final one fails the search', async () => {
  const { online, client, clock } = fixture();
  const ws = await online();
  const search = client.queue();
  const waits = [];
  search.on('retry', ({ inMs }) => waits.push(inMs));
  ws.error('queue.join', { code: 'queue_full', retryable: true, retry_after_ms: 2_000 });
  await clock.advance(2_499);
  assert.ok(!ws.types().includes('queue.join'));
  await clock.advance(1);
  assert.deepEqual(waits, [2_500]);
  ws.error('queue.join', { code: 'bad_request', message: 'too many tags' });
  await assert.rejects(search.matched, { code: 'bad_request' });
});

test('a second search cancels the first', async () => {
  const { online, client } = fixture();
  const ws = await online();
  const first = client.queue({ tags: ['a'] });
  client.queue({ tags: ['b'] });
  await assert.rejects(first.matched, { code: 'cancelled' });
  assert.deepEqual(ws.types(), ['queue.join', 'queue.leave', 'queue.join']);
});

test('closing the client fails the search', async () => {
  const { online, client } = fixture();
  await online();
  const search = client.queue();
  client.close();
  await assert.rejects(search.matched, { code: 'closed' });
});
