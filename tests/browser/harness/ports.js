import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

/**
 * A port free for TCP and UDP alike, below those that the kernel gives to connections by itself; browsers connect to all of
 * these.
 */
export async function freePort() {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = 11_000 + randomInt(8_000);
    const [tcp, udp] = [createServer(), createSocket('udp4')];
    const listens = await new Promise((resolve) => {
      tcp.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    const binds = await new Promise((resolve) => {
      udp.once('error', () => resolve(false)).bind(port, '127.0.0.1', () => resolve(true));
    });
    if (binds) await new Promise((resolve) => udp.close(resolve));
    if (listens) await new Promise((resolve) => tcp.close(resolve));
    if (listens && binds) return port;
  }
  throw new Error('no port is free for both TCP and UDP');
}

/** @param {number} port */
export function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.destroy() && resolve(true));
    socket.once('error', () => resolve(false));
  });
}
