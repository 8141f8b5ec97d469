import { connect, createServer } from 'node:net';

/** Carries TCP connections to a port of this machine, until a test cuts them. */
export class Proxy {
  #server;
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();
  #isCut = false;

  /**
   * @param {import('node:net').Server} server
   * @param {number} target
   */
  constructor(server, target) {
    this.#server = server;
    this.port = server.address().port;
    server.on('connection', (near) => {
      if (this.#isCut) {
        near.on('error', () => {}).resetAndDestroy();
        return;
      }
      const far = connect(target, '127.0.0.1');
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  /** @param {number} target */
  static async start(target) {
    const server = createServer();
    await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return new Proxy(server, target);
  }

  /** Resets every connection, and each new one until it is mended. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend() {
    this.#isCut = false;
  }

  async stop() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  /** Passes on what one side says, and its end. */
  #join(from, to) {
    this.#sockets.add(from);
    from.pipe(to);
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
