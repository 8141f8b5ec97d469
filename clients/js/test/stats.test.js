import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatsReader, instantScore, levelOf } from '../src/stats.js';

const pair = { id: 'p', type: 'candidate-pair', localCandidateId: 'l', remoteCandidateId: 'r', currentRoundTripTime: 0.0123 };
const relayLocal = { id: 'l', type: 'local-candidate', candidateType: 'relay', relayProtocol: 'tls', protocol: 'udp' };
const relayRemote = { id: 'r', type: 'remote-candidate', candidateType: 'relay' };
const transport = { id: 't', type: 'transport', selectedCandidatePairId: 'p' };

function inbound(kind, packets, lost = 0) {
  return { id: `in-${kind}`, type: 'inbound-rtp', kind, packetsReceived: packets, packetsLost: lost, bytesReceived: packets * 1_000, jitter: 0.002 };
}

test('a relayed pair is read with its protocol and round trip', () => {
  const quality = new StatsReader().read([transport, pair, relayLocal, relayRemote], 1_000);
  assert.equal(quality.path, 'relay');
  assert.equal(quality.relayProtocol, 'tls');
  assert.equal(quality.localType, 'relay');
  assert.equal(quality.remoteType, 'relay');
  assert.equal(quality.rttMs, 12.3);
});

test('a host pair is direct; without a transport entry the nominated pair counts', () => {
  const entries = [
    { ...pair, nominated: true, state: 'succeeded' },
    { id: 'l', type: 'local-candidate', candidateType: 'host', protocol: 'udp' },
    { id: 'r', type: 'remote-candidate', candidateType: 'prflx' },
  ];
  const quality = new StatsReader().read(entries, 1_000);
  assert.equal(quality.path, 'direct');
  assert.equal(quality.relayProtocol, null);
  assert.equal(quality.protocol, 'udp');
});

test('before a pair is selected nothing is claimed', () => {
  const quality = new StatsReader().read([], 1_000);
  assert.equal(quality.path, null);
  assert.equal(quality.rttMs, null);
});

test('rates and loss are those since the last reading', () => {
  const reader = new StatsReader();
  reader.read([inbound('audio', 100), inbound('video', 0)], 1_000);
  const quality = reader.read([inbound('audio', 145, 5), inbound('video', 50)], 2_000);
  assert.equal(quality.receivedBps, 95 * 1_000 * 8);
  assert.equal(quality.loss, 0.05);
  assert.equal(quality.audioPacketsReceived, 145);
  assert.equal(quality.videoPacketsReceived, 50);
  assert.equal(quality.jitterMs, 2);
});

test('the score falls with delay and loss and stays within its range', () => {
  assert.ok(instantScore(20, 2, 0) > 90);
  assert.ok(instantScore(400, 30, 0) < instantScore(100, 2, 0));
  assert.equal(instantScore(5_000, 500, 1), 0);
  assert.deepEqual([81, 80, 40, 20].map(levelOf), ['excellent', 'good', 'poor', 'lost']);
});

test('the score falls fast and rises slowly', () => {
  const reader = new StatsReader();
  const good = reader.read([inbound('audio', 100)], 1_000).score;
  const bad = reader.read([inbound('audio', 150, 50)], 2_000).score;
  const better = reader.read([inbound('audio', 250, 50)], 3_000).score;
  assert.ok(good - bad > 60);
  assert.ok(better - bad < 50);
});
