import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CandidateBatch } from '../src/candidates.js';
import { Chat } from '../src/chat.js';
import { Emitter } from '../src/emitter.js';
import { DuologueError } from '../src/errors.js';
import { filterIceServers, transportOf } from '../src/ice.js';
import { Recovery } from '../src/recovery.js';
import { uuid } from '../src/uuid.js';
import { FakeClock, FakePeerConnection, settle } from './fakes.js';

test('URLs are told apart by how they are reached', () => {
  assert.equal(transportOf('turn:h:3478'), 'udp');
  assert.equal(transportOf('turn:h:3478?transport=udp'), 'udp');
  assert.equal(transportOf('turn:h:3478?transport=tcp'), 'tcp');
  assert.equal(transportOf('turns:h:5349?transport=tcp'), 'tls');
  assert.equal(transportOf('stun:h'), 'udp');
});

test('servers left without a URL fall away, credentials stay', () => {
  const servers = [
    { urls: 'stun:h' },
    { urls: ['turn:h', 'turn:h?transport=tcp'], username: 'u', credential: 'c' },
  ];
  assert.deepEqual(filterIceServers(servers, ['tcp']), [
    { urls: ['turn:h?transport=tcp'], username: 'u', credential: 'c' },
  ]);
  assert.equal(filterIceServers(servers, undefined).length, 2);
});

test('candidates leave after 50 ms first, then every 200 ms, and the end at once', async () => {
  const clock = new FakeClock();
  const start = clock.now();
  const sent = [];
  const batch = new CandidateBatch(clock, (message) =>
    sent.push([clock.now() - start, message.candidates.length, message.end ?? false]),
  );
  batch.add({ candidate: 'a', usernameFragment: 'u' });
  batch.add({ candidate: 'b', usernameFragment: 'u' });
  await clock.advance(60);
  batch.add({ candidate: 'c', usernameFragment: 'u' });
  await clock.advance(300);
  batch.add({ candidate: 'd', usernameFragment: 'u' });
  batch.add(null);
  assert.deepEqual(sent, [[50, 2, false], [260, 1, false], [360, 1, true]]);
});

test('a batch holds 64 candidates of one ufrag', () => {
  const sent = [];
  const batch = new CandidateBatch(new FakeClock(), (message) => sent.push(message));
  for (let index = 0; index < 70; index += 1) batch.add({ candidate: 'x', usernameFragment: 'u1' });
  batch.add({ candidate: 'y', usernameFragment: 'u2' });
  batch.add(null);
  assert.deepEqual(
    sent.map(({ ufrag, candidates, end }) => [ufrag, candidates.length, end]),
    [['u1', 64, undefined], ['u1', 6, undefined], ['u2', 1, true]],
  );
});

test('an end without candidates is told too', () => {
  const sent = [];
  new CandidateBatch(new FakeClock(), (message) => sent.push(message)).add(null);
  assert.deepEqual(sent, [{ candidates: [], end: true }]);
});

function recovery(polite) {
  const clock = new FakeClock();
  const pc = new FakePeerConnection({});
  const log = [];
  const start = clock.now();
  const note = (word) => () => log.push([word, clock.now() - start]);
  new Recovery({ pc, polite, clock, restart: note('restart'), giveUp: note('give up') });
  return { clock, pc, log };
}

test('2 s of disconnected ask for new paths; a shorter stall does not', async () => {
  const { clock, pc, log } = recovery(false);
  pc.become('connected');
  pc.become('disconnected');
  await clock.advance(1_900);
  pc.become('connected');
  await clock.advance(1_900);
  assert.deepEqual(log, []);
  pc.become('disconnected');
  await clock.advance(2_000);
  assert.deepEqual(log, [['restart', 5_800]]);
});

test('the polite side waits longer, and a restart that helped stops it', async () => {
  const { clock, pc, log } = recovery(true);
  pc.become('connected');
  pc.become('disconnected');
  await clock.advance(3_400);
  assert.deepEqual(log, []);
  pc.become('connected');
  await clock.advance(60_000);
  assert.deepEqual(log, []);
});

test('failed restarts at once, and after four tries it gives up', async () => {
  const { clock, pc, log } = recovery(false);
  pc.become('connected');
  pc.become('failed');
  await clock.advance(60_000);
  assert.deepEqual(log, [
    ['restart', 0],
    ['restart', 10_000],
    ['restart', 20_000],
    ['restart', 30_000],
    ['give up', 40_000],
  ]);
});

test('a call that never connects is restarted after 15 s', async () => {
  const { clock, log } = recovery(false);
  await clock.advance(15_000);
  assert.deepEqual(log, [['restart', 15_000]]);
});

function chat(answers) {
  const clock = new FakeClock();
  const sent = [];
  const typed = [];
  const state = { ended: false };
  const request = async (_type, data) => {
    sent.push(data);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const notify = (_type, data) => typed.push(data.on);
  const subject = new Chat({ request, notify, ended: () => state.ended, clock });
  return { clock, sent, typed, state, subject };
}

const lost = () => new DuologueError('disconnected', '', { retryable: true });

test('a message is retried with the same cid, and the next one waits for it', async () => {
  const { clock, sent, subject } = chat([lost(), { mid: '1', ts: 1 }, { mid: '2', ts: 2 }]);
  const first = subject.send('one');
  const second = subject.send('two');
  await clock.advance(1_000);
  assert.deepEqual([(await first).mid, (await second).mid], ['1', '2']);
  assert.deepEqual(sent.map(({ text }) => text), ['one', 'one', 'two']);
  assert.equal(sent[0].cid, sent[1].cid);
  assert.notEqual(sent[1].cid, sent[2].cid);
});

test('a final refusal rejects one message only', async () => {
  const { subject } = chat([new DuologueError('too_large'), { mid: '2', ts: 2 }]);
  const first = assert.rejects(subject.send('x'), { code: 'too_large' });
  const second = subject.send('y');
  await first;
  assert.equal((await second).mid, '2');
});

test('messages are given up after 30 s, and at once when the session is over', async () => {
  const { clock, subject, state } = chat(Array.from({ length: 200 }, lost));
  const patient = assert.rejects(subject.send('x'), { code: 'disconnected' });
  await clock.advance(40_000);
  await patient;
  state.ended = true;
  await assert.rejects(subject.send('y'), { code: 'ended' });
});

test('typing is told on change and repeated at most every 2 s', async () => {
  const { clock, typed, subject } = chat([]);
  for (let key = 0; key < 25; key += 1) {
    subject.typing(true);
    await clock.advance(100);
  }
  subject.typing(false);
  subject.typing(false);
  assert.deepEqual(typed, [true, true, false]);
});

test('a uuid is of version 4', () => {
  assert.match(uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('listeners can be removed, also while an event is delivered', async () => {
  const emitter = new Emitter();
  const heard = [];
  const off = emitter.on('x', () => heard.push('on'));
  emitter.once('x', () => heard.push('once'));
  emitter.emit('x', {});
  off();
  emitter.emit('x', {});
  await settle();
  assert.deepEqual(heard, ['on', 'once']);
});
