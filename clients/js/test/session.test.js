import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, helloOk, match, searching, settle } from './fakes.js';

test('the connection is built from the match: bundled, with its servers and policy', async () => {
  const { inSession } = fixture();
  const { pc } = await inSession({ ice_policy: 'relay' });
  assert.equal(pc.configuration.bundlePolicy, 'max-bundle');
  assert.equal(pc.configuration.iceTransportPolicy, 'relay');
  assert.equal(pc.configuration.iceServers[0].urls.length, 3);
});

test('the page can narrow the servers and the policy', async () => {
  const { inSession } = fixture({ iceTransports: ['tls'], icePolicy: 'relay' });
  const { pc } = await inSession();
  assert.deepEqual(pc.configuration.iceServers[0].urls, ['turns:h:5349']);
  assert.equal(pc.configuration.iceTransportPolicy, 'relay');
});

test('an initiator without devices offers to receive both kinds', async () => {
  const { inSession } = fixture();
  const { ws, pc } = await inSession();
  assert.deepEqual(pc.transceivers.map(({ kind, direction }) => [kind, direction]), [
    ['audio', 'recvonly'],
    ['video', 'recvonly'],
  ]);
  const { data } = ws.take('rtc.description');
  assert.deepEqual([data.session, data.to, data.kind, data.neg], ['s1', 'b', 'offer', 1]);
});

test('the deadline is told in local time', async () => {
  const { inSession, clock } = fixture();
  const server_time = clock.now() + 7_000;
  const { session } = await inSession({ server_time, deadline: server_time + 60_000 });
  assert.equal(session.remainingMs(), 60_000);
  await clock.advance(20_000);
  assert.equal(session.remainingMs(), 40_000);
});

test('the server ends the session: connection closed, timers gone, reason told', async () => {
  const { inSession, client } = fixture();
  const { ws, session, pc } = await inSession();
  const ended = [];
  session.on('ended', (event) => ended.push(event));
  ws.push('session.ended', { session: 's1', reason: 'limit', duration_ms: 20_000 }, { seq: 2 });
  assert.deepEqual(ended, [{ reason: 'limit', durationMs: 20_000 }]);
  assert.equal(pc.signalingState, 'closed');
  assert.equal(session.state, 'ended');
  assert.equal(client.session, null);
});

test('end asks the server and is over with its push', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const ending = session.end();
  assert.equal(ws.sent.at(-1).type, 'session.end');
  ws.ok('session.end');
  ws.push('session.ended', { session: 's1', reason: 'ended', duration_ms: 5 });
  await ending;
  assert.equal(session.state, 'ended');
});

test('end works without a server too', async () => {
  const { inSession } = fixture();
  const { ws, session, pc } = await inSession();
  ws.serverCloses(1006);
  await session.end();
  assert.equal(session.state, 'ended');
  assert.equal(pc.signalingState, 'closed');
});

test('next ends this session and searches on with the same wishes', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession({}, { tags: ['chess'] });
  const reasons = [];
  session.on('ended', ({ reason }) => reasons.push(reason));
  const next = session.next();
  ws.ok('session.next', searching);
  ws.push('session.ended', { session: 's1', reason: 'skipped', duration_ms: 5 });
  ws.push('match.found', { ...match, session: 's2' });
  const search = await next;
  assert.deepEqual(search.options.tags, ['chess']);
  assert.equal((await search.matched).id, 's2');
  assert.deepEqual(reasons, ['skipped']);
});

test('without a skip budget next fails and the session goes on', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const next = assert.rejects(session.next(), { code: 'rate_limited' });
  ws.error('session.next', { code: 'rate_limited', retryable: true, retry_after_ms: 1_000 });
  await next;
  assert.notEqual(session.state, 'ended');
});

test('next after the end is a plain search', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession({}, { tags: ['chess'] });
  ws.push('session.ended', { session: 's1', reason: 'skipped' });
  await session.next();
  assert.deepEqual(ws.sent.findLast(({ type }) => type === 'queue.join').data.tags, ['chess']);
});

test('a fresh hello without the session ends it as lost', async () => {
  const { inSession, reconnected } = fixture();
  const { session } = await inSession();
  const reasons = [];
  session.on('ended', ({ reason }) => reasons.push(reason));
  const ws = await reconnected();
  ws.ok('hello', helloOk);
  await settle();
  assert.deepEqual(reasons, ['lost']);
});

test('sync keeps the session, repeats the open offer and ends a stranger', async () => {
  const { inSession, reconnected } = fixture();
  const { session } = await inSession();
  const ws = await reconnected();
  ws.ok('hello', { ...helloOk, gap: true });
  await settle();
  ws.push('sync', { sessions: [{ session: 's1', deadline: null }, { session: 's9' }] });
  assert.equal(session.state, 'connecting');
  const { data } = ws.take('rtc.description');
  assert.deepEqual([data.kind, data.neg], ['offer', 1]);
  assert.equal(ws.take('session.end').data.session, 's9');
});

test('messages, typing, media and departures of the peer become events', async () => {
  const { inSession, clock } = fixture();
  const { ws, session } = await inSession();
  const seen = [];
  for (const type of ['message', 'typing', 'peer-media', 'peer-left', 'warning']) {
    session.on(type, (event) => seen.push([type, event]));
  }
  ws.push('chat.typing', { session: 's1', on: true });
  ws.push('chat.message', { session: 's1', mid: '1', from: 'b', kind: 'text', text: 'hi' });
  ws.push('chat.typing', { session: 's1', on: true });
  await clock.advance(6_000);
  ws.push('peer.media', { session: 's1', audio: false, video: true });
  ws.push('peer.left', { session: 's1', reason: 'lost', can_reconnect: true, until: clock.now() });
  ws.push('session.warning', { session: 's1', remaining_ms: 10_000 });
  assert.deepEqual(seen.map(([type]) => type), [
    'typing', 'typing', 'message', 'typing', 'typing', 'peer-media', 'peer-left', 'warning',
  ]);
  assert.equal(seen[2][1].text, 'hi');
  assert.deepEqual(seen[5][1], { audio: false, video: true, screen: false });
  assert.deepEqual(seen[6][1], { reason: 'lost', canReconnect: true, until: clock.now() });
});

test('pushes for another session are not ours', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  session.on('message', () => assert.fail('not ours'));
  ws.push('chat.message', { session: 's0', mid: '1', text: 'hi' });
});

test('mute is told to the other side', async () => {
  const { inSession } = fixture();
  const track = { kind: 'audio', enabled: true };
  const stream = { getTracks: () => [track], getAudioTracks: () => [track], getVideoTracks: () => [] };
  const { ws, session } = await inSession({}, { stream });
  assert.deepEqual(session.media, { audio: true, video: false, screen: false });
  session.setEnabled('audio', false);
  assert.equal(track.enabled, false);
  assert.deepEqual(ws.sent.at(-1).data, { session: 's1', audio: false, video: false, screen: false });
});

test('new credentials reach the connection; a relayed call moves to them', async () => {
  const { inSession, clock } = fixture();
  const { ws, pc } = await inSession();
  pc.stats = relayedStats();
  await pc.setRemoteDescription({ type: 'answer', sdp: 'v=0' });
  pc.become('connected');
  await settle();
  ws.sent.length = 0;
  ws.push('ice.updated', { session: 's1', ice_servers: [{ urls: ['turn:new:1'] }] });
  assert.deepEqual(pc.configuration.iceServers, [{ urls: ['turn:new:1'] }]);
  assert.equal(pc.configuration.bundlePolicy, 'max-bundle');
  await clock.advance(1_000);
  assert.equal(ws.take('rtc.description').data.kind, 'offer');
});

test('the server hears of state with path and setup time, and of quality every 5 s', async () => {
  const { inSession, clock } = fixture();
  const { ws, pc } = await inSession();
  pc.stats = relayedStats();
  await clock.advance(250);
  pc.become('connected');
  await clock.advance(12_000);
  const reports = ws.sent.filter(({ type }) => type === 'rtc.state');
  assert.deepEqual(reports.map(({ data }) => data), [
    { session: 's1', state: 'connected', path: 'relay', relay_protocol: 'udp', setup_ms: 250 },
  ]);
  assert.equal(ws.sent.filter(({ type }) => type === 'rtc.quality').length, 2);
});

test('an unanswered description is sent again while it is still open', async () => {
  const { inSession, clock } = fixture();
  const { ws } = await inSession();
  ws.error('rtc.description', { code: 'peer_unreachable', retryable: true });
  await clock.advance(1_000);
  assert.equal(ws.take('rtc.description').data.neg, 1);
});

test('an ended session leaves no timer behind', async () => {
  const { inSession, clock } = fixture();
  const { ws, session, pc } = await inSession();
  ws.ok('rtc.description');
  pc.become('connected');
  await settle();
  pc.become('disconnected');
  session.finish('ended');
  await settle();
  assert.equal(clock.pendingTimers, 0);
});

test('without WebRTC a session still chats', async () => {
  const { inSession } = fixture({ RTCPeerConnection: undefined });
  const { ws, session } = await inSession();
  assert.equal(session.pc, null);
  const sent = session.chat.send('hello');
  await settle();
  ws.ok('chat.send', { mid: 'm1', ts: 5 });
  assert.equal((await sent).mid, 'm1');
});

function relayedStats() {
  const entries = [
    { id: 't', type: 'transport', selectedCandidatePairId: 'p' },
    { id: 'p', type: 'candidate-pair', localCandidateId: 'l', remoteCandidateId: 'r' },
    { id: 'l', type: 'local-candidate', candidateType: 'relay', relayProtocol: 'udp' },
    { id: 'r', type: 'remote-candidate', candidateType: 'relay' },
  ];
  return new Map(entries.map((entry) => [entry.id, entry]));
}
