import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RTCPeerConnection, RTCRtpCodecParameters, MediaStreamTrack, RtpHeader, RtpPacket } from 'werift';
import { Server } from '../browser/harness/server.js';
import { until, within } from '../browser/harness/until.js';

const BOUND = { timeout: 120_000 };
const CONNECT_MS = 20_000;
const ATTEMPTS = 3;
const ARRIVE_MS = 10_000;
const MESSAGES = 50;
const MESSAGE_BYTES = 4_000;
const PACKETS = 200;
const PACKET_BYTES = 1_000;
const PAYLOAD_TYPE = 96;

/** @param {{ urls: string, username: string, credential: string }} iceServer */
function open(iceServer, authority) {
  return new RTCPeerConnection({
    iceServers: [iceServer],
    iceTransportPolicy: 'relay',
    iceUseIpv6: false,
    turnTlsOptions: { ca: authority, servername: 'localhost' },
    codecs: { video: [new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90_000, payloadType: PAYLOAD_TYPE })] },
  });
}

/** Offer and answer with all candidates in them. */
async function join(caller, callee) {
  await caller.setLocalDescription(await caller.createOffer());
  await callee.setRemoteDescription(caller.localDescription);
  await callee.setLocalDescription(await callee.createAnswer());
  await caller.setRemoteDescription(callee.localDescription);
  for (const connection of [caller, callee]) {
    await until('connected', CONNECT_MS, () => connection.connectionState === 'connected');
  }
}

async function selectedPair(connection) {
  const entries = [...(await connection.getStats()).values()];
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const pair = entries.find((entry) => entry.type === 'candidate-pair' && entry.nominated);
  return { local: byId.get(pair?.localCandidateId), remote: byId.get(pair?.remoteCandidateId) };
}

/** Two peers who send each other media and messages, not connected yet. */
function makePair(server, via) {
  const [caller, callee] = ['caller', 'callee'].map((name) => open(server.iceServer(via, name), server.authority));
  const track = new MediaStreamTrack({ kind: 'video' });
  caller.addTransceiver(track, { direction: 'sendonly' });
  const payloads = new Set();
  callee.onTrack.subscribe((remote) => remote.onReceiveRtp.subscribe((packet) => payloads.add(packet.payload.toString('hex'))));
  const channel = caller.createDataChannel('chat');
  const echoes = [];
  channel.onMessage.subscribe((message) => echoes.push(message));
  callee.onDataChannel.subscribe((remote) => remote.onMessage.subscribe((message) => remote.send(message)));
  const close = () => Promise.all([caller.close(), callee.close()]);
  return { caller, callee, peers: [caller, callee], track, payloads, channel, echoes, close };
}

/**
 * A pair that is connected. werift's DTLS server says its last flight once, where RFC 6347 §4.2.4 has it repeat it for a
 * client that asks again; a client that is not ready for it yet, on a busy machine, never gets it. Such a pair (every path
 * found, one side secure, nothing dropped by the relay) begins anew; any other failure is one.
 */
async function connectedPair(server, via) {
  for (let attempt = 1; ; attempt += 1) {
    const pair = makePair(server, via);
    try {
      await within(CONNECT_MS, join(pair.caller, pair.callee));
      return pair;
    } catch (error) {
      const ice = pair.peers.map((peer) => peer.iceConnectionState);
      const secure = pair.peers.filter((peer) => peer.dtlsTransports.every(({ state }) => state === 'connected'));
      const dropped = await server.dropped();
      await pair.close();
      const isTheirs = ice.every((state) => state === 'connected') && secure.length === 1 && dropped === 0;
      if (!isTheirs || attempt === ATTEMPTS) {
        error.message += `\nattempt ${attempt}: ICE ${ice}, ${secure.length} secure, ${dropped} packets dropped`;
        throw error;
      }
    }
  }
}

for (const via of ['udp', 'tcp', 'tls']) {
  test(`two werift peers exchange media and messages through the relay over ${via}`, BOUND, async () => {
    const server = await Server.start();
    let close = async () => {};
    try {
      const pair = await connectedPair(server, via);
      ({ close } = pair);
      const { peers, track, payloads, channel, echoes } = pair;

      for (const connection of peers) {
        const { local, remote } = await selectedPair(connection);
        assert.deepEqual([local.candidateType, remote.candidateType], ['relay', 'relay']);
      }
      // werift does not tell the way to the relay; the relay does.
      assert.ok((await server.allocations(`transport="${via}"`)) >= 2, 'both sides hold an allocation');
      assert.equal(await server.allocations(), await server.allocations(`transport="${via}"`));

      await until('the channel', CONNECT_MS, () => channel.readyState === 'open');
      const messages = Array.from({ length: MESSAGES }, (_, index) => Buffer.alloc(MESSAGE_BYTES - index, index));
      for (const message of messages) channel.send(message);
      await until('every message back', ARRIVE_MS, () => echoes.length === messages.length);
      assert.deepEqual(echoes.map((echo) => Buffer.from(echo)), messages);

      for (let index = 0; index < PACKETS; index += 1) {
        const header = new RtpHeader({ payloadType: PAYLOAD_TYPE, sequenceNumber: index, timestamp: index * 3_000 });
        // Not a multiple of four: over streams each frame needs its padding.
        track.writeRtp(new RtpPacket(header, Buffer.alloc(PACKET_BYTES + (index % 4), index)));
        if (index % 20 === 0) await new Promise((resolve) => { setTimeout(resolve, 5); });
      }
      await until('every media packet', ARRIVE_MS, () => payloads.size === PACKETS);
    } catch (error) {
      error.message += `\n--- server log ---\n${server.log}`;
      throw error;
    } finally {
      await close();
      await server.stop();
    }
  });
}
