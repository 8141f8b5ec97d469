import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Negotiator } from '../src/negotiator.js';
import { FakeClock, FakePeerConnection, settle } from './fakes.js';

const logger = { debug() {}, warn: (...detail) => assert.fail(detail.join(' ')) };

/** Two negotiators with a wire between them that holds everything until `deliver`. */
function pair() {
  const clock = new FakeClock();
  const wire = [];
  const side = (polite) => {
    const pc = new FakePeerConnection({});
    const sent = [];
    const post = (type) => (data) => {
      sent.push({ type, ...data });
      wire.push({ to: polite ? 'a' : 'b', type, data });
    };
    const signals = { description: post('description'), candidates: post('candidates') };
    const negotiator = new Negotiator({ pc, polite, initiator: !polite, signals, clock, logger });
    return { pc, sent, negotiator };
  };
  const sides = { a: side(false), b: side(true) };
  return {
    ...sides,
    clock,
    wire,
    async deliver() {
      await settle();
      while (wire.length > 0) {
        const { to, type, data } = wire.shift();
        const { negotiator } = sides[to];
        if (type === 'description') negotiator.handleDescription(data);
        else negotiator.handleCandidates(data);
        await settle();
      }
    },
  };
}

const kinds = (sent) => sent.filter(({ type }) => type === 'description').map(({ kind, neg }) => [kind, neg]);

test('the initiator offers, the other side only answers', async () => {
  const { a, b, deliver } = pair();
  b.pc.addTrack({ kind: 'video' });
  a.pc.addTrack({ kind: 'audio' });
  await deliver();
  assert.deepEqual(kinds(a.sent), [['offer', 1]]);
  assert.deepEqual(kinds(b.sent), [['answer', 1]]);
  assert.equal(a.pc.signalingState, 'stable');
  assert.equal(b.pc.signalingState, 'stable');
});

test('when both offer at once the polite side gives way and answers', async () => {
  const { a, b, deliver } = pair();
  a.pc.addTrack({ kind: 'audio' });
  await deliver();
  a.pc.addTrack({ kind: 'video' });
  b.pc.addTrack({ kind: 'video' });
  await deliver();
  assert.deepEqual(kinds(a.sent), [['offer', 1], ['offer', 2]]);
  assert.deepEqual(kinds(b.sent), [['answer', 1], ['offer', 2], ['answer', 2]]);
  assert.equal(a.pc.signalingState, 'stable');
  assert.equal(b.pc.signalingState, 'stable');
});

test('candidates of an ignored offer are dropped, those of its answer are not', async () => {
  const { a, b, clock, deliver } = pair();
  a.pc.addTrack({ kind: 'audio' });
  await deliver();
  a.pc.restartIce();
  b.pc.restartIce();
  await settle();
  b.pc.gather('ignored');
  await clock.advance(50);
  await deliver();
  b.pc.gather('kept');
  await clock.advance(200);
  await deliver();
  const texts = a.pc.candidates.map(({ candidate }) => candidate);
  assert.ok(texts.includes('kept'));
  assert.ok(!texts.includes('ignored'));
});

test('candidates that overtake their description wait for it', async () => {
  const { a, b, clock, wire, deliver } = pair();
  a.pc.addTrack({ kind: 'audio' });
  await settle();
  a.pc.gather('c1');
  await clock.advance(50);
  wire.reverse();
  await deliver();
  assert.deepEqual(b.pc.candidates.map(({ candidate }) => candidate), ['c1']);
});

test('late candidates of an older negotiation still count while the ufrag is the same', async () => {
  const { a, b, deliver } = pair();
  a.pc.addTrack({ kind: 'audio' });
  await deliver();
  a.pc.addTrack({ kind: 'video' });
  await deliver();
  const ufrag = /ice-ufrag:(\w+)/.exec(a.pc.localDescription.sdp)[1];
  await b.negotiator.handleCandidates({ neg: 1, ufrag, candidates: [{ candidate: 'late' }] });
  assert.deepEqual(b.pc.candidates.map(({ candidate }) => candidate), ['late']);
});

test('candidates of a path that was given up are dropped', async () => {
  const { a, b, deliver } = pair();
  a.pc.addTrack({ kind: 'audio' });
  await deliver();
  const old = /ice-ufrag:(\w+)/.exec(a.pc.localDescription.sdp)[1];
  a.pc.restartIce();
  await deliver();
  await b.negotiator.handleCandidates({ neg: 1, ufrag: old, candidates: [{ candidate: 'old' }] });
  assert.deepEqual(b.pc.candidates, []);
});

test('an answer that comes twice, or to an offer withdrawn, changes nothing', async () => {
  const { a, b, deliver } = pair();
  a.pc.addTrack({ kind: 'audio' });
  await deliver();
  const answer = { kind: 'answer', neg: 1, sdp: b.pc.localDescription.sdp };
  await a.negotiator.handleDescription(answer);
  a.pc.addTrack({ kind: 'video' });
  await settle();
  await a.negotiator.handleDescription(answer);
  assert.equal(a.pc.signalingState, 'have-local-offer');
});

test('an offer repeated after a lost connection is answered again without harm', async () => {
  const { a, b, wire, deliver } = pair();
  a.pc.addTrack({ kind: 'audio' });
  await settle();
  a.negotiator.recover();
  assert.equal(wire.length, 2);
  await deliver();
  assert.deepEqual(kinds(b.sent), [['answer', 1], ['answer', 1]]);
  assert.equal(a.pc.signalingState, 'stable');
});

test('recover asks for new paths when nothing is open and nothing flows', async () => {
  const { a, b, deliver } = pair();
  b.negotiator.recover();
  await deliver();
  assert.deepEqual(b.sent, []);
  a.pc.addTrack({ kind: 'audio' });
  await deliver();
  a.pc.connectionState = 'connected';
  a.negotiator.recover();
  await deliver();
  assert.deepEqual(kinds(a.sent), [['offer', 1]]);
  a.pc.connectionState = 'disconnected';
  a.negotiator.recover();
  await deliver();
  assert.deepEqual(kinds(a.sent), [['offer', 1], ['offer', 2]]);
});

test('nothing is sent or applied after close', async () => {
  const { a, b, clock, wire } = pair();
  a.pc.addTrack({ kind: 'audio' });
  a.negotiator.close();
  await settle();
  a.pc.gather('c1');
  await clock.advance(500);
  assert.deepEqual(wire, []);
  b.negotiator.close();
  await b.negotiator.handleDescription({ kind: 'offer', neg: 1, sdp: 'v=0' });
  assert.equal(b.pc.signalingState, 'stable');
});
