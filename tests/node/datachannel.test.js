import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import datachannel from 'node-datachannel';
import { Server } from '../browser/harness/server.js';
import { until } from '../browser/harness/until.js';

const BOUND = { timeout: 60_000 };
const CONNECT_MS = 20_000;
const ARRIVE_MS = 10_000;
const MESSAGES = 200;
const MESSAGE_BYTES = 8_000;

after(() => datachannel.cleanup());

function open(name, server) {
  const { username, credential } = server.iceServer('udp', name);
  // libjuice, the ICE agent of the prebuilt package, speaks TURN over UDP only.
  return new datachannel.PeerConnection(name, {
    iceServers: [{ hostname: '127.0.0.1', port: server.ports.turn, username, password: credential, relayType: 'TurnUdp' }],
    iceTransportPolicy: 'relay',
  });
}

/** Each tells the other what it has, as it comes. */
function introduce(one, other) {
  one.onLocalDescription((sdp, type) => other.setRemoteDescription(sdp, type));
  one.onLocalCandidate((candidate, mid) => other.addRemoteCandidate(candidate, mid));
}

test('two libdatachannel peers exchange messages through the relay over udp', BOUND, async () => {
  // libjuice also checks from addresses that it keeps to itself; in this mode only relayed addresses are peers.
  const server = await Server.start({ relayMode: 'single-port' });
  const peers = [open('caller', server), open('callee', server)];
  const [caller, callee] = peers;
  try {
    introduce(caller, callee);
    introduce(callee, caller);
    let answering;
    callee.onDataChannel((remote) => {
      answering = remote;
      remote.onMessage((message) => remote.sendMessageBinary(message));
    });
    const channel = caller.createDataChannel('chat');
    const echoes = [];
    channel.onMessage((message) => echoes.push(Buffer.from(message)));
    await until('the channel', CONNECT_MS, () => channel.isOpen() && answering?.isOpen());

    const messages = Array.from({ length: MESSAGES }, (_, index) => Buffer.alloc(MESSAGE_BYTES - index, index));
    for (const message of messages) channel.sendMessageBinary(message);
    await until('every message back', ARRIVE_MS, () => echoes.length === messages.length);
    assert.deepEqual(echoes, messages);

    for (const connection of peers) {
      const { local, remote } = connection.getSelectedCandidatePair();
      assert.deepEqual([local.type, remote.type], ['relay', 'relay']);
    }
    assert.ok((await server.allocations()) >= 2, 'both sides hold an allocation');
  } catch (error) {
    error.message += `\n--- server log ---\n${server.log}`;
    throw error;
  } finally {
    for (const connection of peers) connection.close();
    await server.stop();
  }
});
