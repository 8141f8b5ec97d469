import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf, nameOf } from '../src/uploads.js';
import { fixture, helloOk, settle } from './fakes.js';

const said = (mid, more = {}) => ({ session: 's1', from: 'b', mid, kind: 'text', text: 'hi', ...more });

/** Collects what a session tells of its chat. */
function listen(session) {
  const told = [];
  for (const type of ['message', 'receipt', 'reaction', 'deleted', 'typing']) {
    session.on(type, (event) => told.push([type, event]));
  }
  return told;
}

/** A server of files: what it was asked for and given, and what it answers. */
function fileServer(answers = {}) {
  const asked = [];
  const put = [];
  const json = (status, body) => new Response(JSON.stringify(body), { status });
  return {
    asked,
    put,
    fetch: async (url, { body, headers }) => {
      asked.push({ url, body: JSON.parse(body), authorization: headers.authorization });
      return answers.ask ?? json(201, { upload: 'f1', url: '/v1/uploads/f1?expires=1&signature=x', max_bytes: 9 });
    },
    XMLHttpRequest: class extends EventTarget {
      upload = new EventTarget();
      open(method, url) {
        put.push({ method, url, request: this });
      }
      send(blob) {
        put.at(-1).blob = blob;
      }
      abort() {
        this.dispatchEvent(new Event('abort'));
      }
      serverHas(loaded) {
        this.upload.dispatchEvent(Object.assign(new Event('progress'), { loaded }));
      }
      serverAnswers(status, body) {
        Object.assign(this, { status, responseText: JSON.stringify(body) });
        this.dispatchEvent(new Event('load'));
      }
    },
  };
}

test('a message is told with its file, whose address can be used as it is', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const told = listen(session);
  const file = { id: 'f1', name: 'a.png', size: 3, type: 'image/png', url: '/v1/files/f1?x', expires_at: 9 };
  ws.push('chat.message', said('m1', { kind: 'image', text: '', file, reply_to: 'm0' }), { seq: 2, ts: 7 });
  assert.deepEqual(told, [
    [
      'message',
      {
        mid: 'm1',
        from: 'b',
        ts: 7,
        kind: 'image',
        text: '',
        replyTo: 'm0',
        file: { id: 'f1', name: 'a.png', size: 3, type: 'image/png', url: 'https://host/v1/files/f1?x', expiresAt: 9 },
      },
    ],
  ]);
});

test('receipts, reactions and deletions are told', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const told = listen(session);
  ws.push('chat.receipt', { session: 's1', from: 'b', delivered_to: 'm1' });
  ws.push('chat.reaction', { session: 's1', from: 'b', mid: 'm1', emoji: '👍', remove: false });
  ws.push('chat.reaction', { session: 's1', from: 'b', emoji: '🎉', remove: false });
  ws.push('chat.deleted', { session: 's1', from: 'b', mid: 'm1' });
  assert.deepEqual(told, [
    ['receipt', { from: 'b', deliveredTo: 'm1', readTo: null }],
    ['reaction', { from: 'b', mid: 'm1', emoji: '👍', remove: false }],
    ['reaction', { from: 'b', mid: null, emoji: '🎉', remove: false }],
    ['deleted', { from: 'b', mid: 'm1' }],
  ]);
});

test('what arrives is confirmed by itself, several at once, and seen when the page says so', async () => {
  const { inSession, clock } = fixture();
  const { ws, session } = await inSession();
  ws.push('chat.message', said('m1'), { seq: 2 });
  ws.push('chat.message', said('m2'), { seq: 3 });
  await clock.advance(100);
  assert.deepEqual(ws.take('chat.receipt').data, { session: 's1', delivered_to: 'm2' });
  assert.ok(!ws.types().includes('chat.receipt'));
  session.chat.markRead();
  await clock.advance(1_000);
  assert.ok(!ws.types().includes('chat.receipt'), 'one at a time');
});

test('a receipt that was refused for now is said again, and only what is new', async () => {
  const { inSession, clock } = fixture();
  const { ws, session } = await inSession();
  ws.push('chat.message', said('m1'), { seq: 2 });
  await clock.advance(100);
  ws.error('chat.receipt', { code: 'unavailable', retryable: true });
  session.chat.markRead();
  await clock.advance(2_000);
  const { data } = ws.sent.find(({ type }) => type === 'chat.receipt');
  assert.deepEqual(data, { session: 's1', delivered_to: 'm1', read_to: 'm1' });
  ws.ok('chat.receipt');
  session.chat.markRead('m1');
  await clock.advance(5_000);
  assert.ok(!ws.types().includes('chat.receipt'));
});

test('no receipt and no timer is left when the session ends', async () => {
  const { inSession, clock } = fixture();
  const { ws } = await inSession();
  ws.push('chat.message', said('m1'), { seq: 2 });
  ws.push('session.ended', { session: 's1', reason: 'ended' }, { seq: 3 });
  await clock.advance(5_000);
  assert.ok(!ws.types().includes('chat.receipt'));
});

test('answers, reactions and deletions go to the server', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const sent = session.chat.send('yes', { replyTo: 'm1' });
  await settle();
  const { data } = ws.sent.find(({ type }) => type === 'chat.send');
  assert.deepEqual([data.kind, data.text, data.reply_to], ['text', 'yes', 'm1']);
  ws.ok('chat.send', { mid: 'm2', ts: 5 });
  assert.equal((await sent).mid, 'm2');
  session.chat.react('👍', 'm1');
  session.chat.react('🎉', null, { remove: true });
  session.chat.remove('m2');
  assert.deepEqual(ws.take('chat.react').data, { session: 's1', emoji: '👍', remove: false, mid: 'm1' });
  assert.deepEqual(ws.take('chat.react').data, { session: 's1', emoji: '🎉', remove: true });
  assert.deepEqual(ws.take('chat.delete').data, { session: 's1', mid: 'm2' });
});

test('a file is asked for, put with its progress, and sent as a message', async () => {
  const server = fileServer();
  const { inSession } = fixture(server);
  const { ws, session } = await inSession();
  const progress = [];
  const file = new File(['a picture'], 'C:\\photos\\cat.png', { type: 'image/png' });
  const sent = session.chat.sendFile(file, { text: 'look', onProgress: (step) => progress.push(step) });
  await settle();
  assert.deepEqual(server.asked, [
    {
      url: 'https://host/v1/uploads',
      body: { session: 's1', kind: 'image', name: 'cat.png', size: 9, type: 'image/png' },
      authorization: 'Bearer access-1',
    },
  ]);
  const [{ method, url, blob, request }] = server.put;
  assert.deepEqual([method, url, blob], ['PUT', 'https://host/v1/uploads/f1?expires=1&signature=x', file]);
  request.serverHas(4);
  request.serverHas(9);
  request.serverAnswers(200, { upload: 'f1' });
  await settle();
  const { data } = ws.sent.find(({ type }) => type === 'chat.send');
  assert.deepEqual([data.kind, data.file, data.text], ['image', 'f1', 'look']);
  ws.ok('chat.send', { mid: 'm1', ts: 5 });
  assert.equal((await sent).mid, 'm1');
  assert.deepEqual(progress, [{ sent: 4, total: 9 }, { sent: 9, total: 9 }]);
});

test('what the server says about a file is the error, and no message is sent', async () => {
  const server = fileServer();
  const { inSession } = fixture(server);
  const { ws, session } = await inSession();
  const sent = session.chat.sendFile(new Blob(['x']), { kind: 'voice', name: 'note.webm' });
  await settle();
  server.put[0].request.serverAnswers(400, { code: 'bad_request', detail: 'a voice note is WebM' });
  await assert.rejects(sent, { code: 'bad_request', message: 'a voice note is WebM', retryable: false });
  const full = fileServer({ ask: new Response('{"code":"conflict","detail":"your quota"}', { status: 409 }) });
  const other = fixture(full);
  const { session: second } = await other.inSession();
  await assert.rejects(second.chat.sendFile(new Blob(['x'])), { code: 'conflict' });
  assert.equal(full.put.length, 0);
  assert.ok(!ws.types().includes('chat.send'));
});

test('of many files three go at once, the others in their turn', async () => {
  const server = fileServer();
  const { inSession } = fixture(server);
  const { session } = await inSession();
  const sent = [1, 2, 3, 4, 5].map((n) => session.chat.sendFile(new File(['x'], `${n}`)).catch(() => {}));
  await settle();
  assert.deepEqual(server.asked.map(({ body }) => body.name), ['1', '2', '3']);
  server.put[1].request.serverAnswers(413, { code: 'too_large' });
  await sent[1];
  await settle();
  assert.deepEqual(server.asked.map(({ body }) => body.name), ['1', '2', '3', '4']);
});

test('an upload can be broken off', async () => {
  const server = fileServer();
  const { inSession } = fixture(server);
  const { session } = await inSession();
  const breakOff = new AbortController();
  const sent = session.chat.sendFile(new Blob(['x']), { signal: breakOff.signal });
  await settle();
  breakOff.abort();
  await assert.rejects(sent, { code: 'cancelled' });
});

test('after a gap what was missed is told once, from where we had got', async () => {
  const { inSession, reconnected } = fixture();
  const first = await inSession();
  const told = listen(first.session);
  first.ws.push('chat.message', said('m1'), { seq: 2 });
  const ws = await reconnected();
  await settle();
  ws.ok('hello', { ...helloOk, gap: true });
  await settle();
  ws.push('sync', { sessions: [{ session: 's1' }], rooms: [] });
  await settle();
  assert.deepEqual(ws.sent.find(({ type }) => type === 'chat.history').data, { session: 's1', limit: 100, after: 'm1' });
  ws.push('chat.message', said('m4'), { seq: 9 });
  ws.ok('chat.history', {
    messages: [said('m2'), said('m3', { from: 'a' }), { mid: 'm3b', deleted: true }, said('m4')],
    more: false,
  });
  await settle();
  assert.deepEqual(told.filter(([type]) => type === 'message').map(([, { mid }]) => mid), ['m1', 'm4', 'm2']);
});

test('the history says what is deleted, who reacted and how far everybody has got', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const asked = session.chat.history({ limit: 2 });
  ws.ok('chat.history', {
    messages: [said('m1', { reactions: [{ from: 'a', emoji: '👍' }] }), { mid: 'm2', deleted: true }],
    more: true,
    receipts: [{ from: 'b', read_to: 'm1' }],
  });
  const { messages, more, receipts, lost } = await asked;
  assert.deepEqual(messages.map(({ mid, deleted }) => [mid, deleted]), [['m1', false], ['m2', true]]);
  assert.deepEqual(messages[0].reactions, [{ from: 'a', emoji: '👍' }]);
  assert.deepEqual([more, receipts, lost], [true, [{ from: 'b', deliveredTo: null, readTo: 'm1' }], null]);
});

test('the history says what the server could not keep', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const asked = session.chat.history();
  ws.ok('chat.history', { messages: [], more: false, receipts: [], lost: { count: 3, first_ts: 1000, last_ts: 2000 } });
  assert.deepEqual((await asked).lost, { count: 3, firstTs: 1000, lastTs: 2000 });
});

test('a name has no path, no control characters and at most 255 bytes', () => {
  const named = (name) => nameOf(Object.assign(new Blob(['x']), { name }), 'file');
  assert.equal(named('a/b\\c.txt'), 'c.txt');
  assert.equal(named('a\u0000b\n.txt'), 'ab.txt');
  assert.equal(named(''), 'file');
  const long = named(`${'é'.repeat(300)}.webm`);
  assert.ok(long.endsWith('é.webm') && new TextEncoder().encode(long).length <= 255, long);
  assert.equal(kindOf(new Blob([], { type: 'image/webp' })), 'image');
  assert.equal(kindOf(new Blob([], { type: 'image/svg+xml' })), 'file');
});
