import { DuologueError } from './errors.js';
import { SDK_NAME, SDK_VERSION, SUBPROTOCOL } from './protocol.js';

const OPEN_TIMEOUT_MS = 10_000;
const REPLY_TIMEOUT_MS = 10_000;

/**
 * One WebSocket's life: open, hello, frames, close. It never reconnects; the client makes a new one.
 *
 * @typedef {object} LinkClose
 * @property {number} code
 * @property {string} reason
 *
 * @typedef {object} LinkOptions
 * @property {string} url
 * @property {typeof WebSocket} WebSocket
 * @property {import('./clock.js').Clock} clock
 * @property {(frame: import('./protocol.js').Frame, characters: number) => void} onPush
 * @property {(close: LinkClose) => void} onClose Called exactly once, whatever happens.
 */
export class Link {
  #options;
  /** @type {WebSocket} */
  #socket;
  #closed = false;
  #lastId = 0;
  /** @type {Map<number, { resolve: (data: any) => void, reject: (error: DuologueError) => void, timer: unknown }>} */
  #pendingById = new Map();
  /** Last error the server gave before it closed; says more than a close code. @type {DuologueError | null} */
  lastError = null;

  /** @param {LinkOptions} options */
  constructor(options) {
    this.#options = options;
    this.#socket = new options.WebSocket(options.url, SUBPROTOCOL);
    this.#socket.addEventListener('message', (event) => this.#onMessage(event.data));
    this.#socket.addEventListener('close', (event) => this.#finish(event.code, event.reason));
  }

  /**
   * Waits for the socket and says hello.
   *
   * @param {import('./protocol.js').WireIdentity} identity
   * @returns {Promise<import('./protocol.js').WireHelloOk>}
   */
  hello(identity) {
    const { clock } = this.#options;
    const timer = clock.setTimeout(() => this.drop(), OPEN_TIMEOUT_MS);
    return new Promise((resolve, reject) => {
      this.#socket.addEventListener('close', () =>
        reject(new DuologueError('disconnected', 'closed before hello', { retryable: true })),
      );
      this.#socket.addEventListener('open', () => {
        const client = { name: SDK_NAME, version: SDK_VERSION };
        this.request('hello', { ...identity, client, features: ['resume'] }).then(resolve, reject);
      });
    }).finally(() => clock.clearTimeout(timer));
  }

  /**
   * Sends a message and waits for its reply.
   *
   * @param {string} type
   * @param {object} data
   * @param {number} [timeoutMs]
   * @returns {Promise<any>}
   */
  request(type, data, timeoutMs = REPLY_TIMEOUT_MS) {
    if (this.#closed) return Promise.reject(offline());
    const { clock } = this.#options;
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        this.#pendingById.delete(id);
        reject(new DuologueError('timeout', `no reply to ${type}`, { retryable: true }));
      }, timeoutMs);
      this.#pendingById.set(id, { resolve, reject, timer });
      this.#send({ type, id, data });
    });
  }

  /**
   * Sends a message that wants no reply.
   *
   * @param {string} type
   * @param {object} data
   */
  notify(type, data) {
    if (!this.#closed) this.#send({ type, data });
  }

  /** Gives the socket up at once, without waiting for the closing handshake of a dead network. */
  drop() {
    this.#socket.close();
    this.#finish(1006, 'dropped');
  }

  /** @param {import('./protocol.js').Frame & { id?: number }} frame */
  #send(frame) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  /** @param {unknown} text */
  #onMessage(text) {
    if (this.#closed || typeof text !== 'string') return;
    const frame = parse(text);
    if (!frame) return;
    if (frame.type !== 'ok' && frame.type !== 'error') {
      this.#options.onPush(frame, text.length);
      return;
    }
    if (frame.type === 'error') this.lastError = DuologueError.fromWire(frame.error);
    const pending = frame.re === undefined ? undefined : this.#pendingById.get(frame.re);
    if (frame.re === undefined || !pending) return;
    this.#pendingById.delete(frame.re);
    this.#options.clock.clearTimeout(pending.timer);
    if (frame.type === 'ok') pending.resolve(frame.data ?? {});
    else pending.reject(DuologueError.fromWire(frame.error));
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #finish(code, reason) {
    if (this.#closed) return;
    this.#closed = true;
    for (const { reject, timer } of this.#pendingById.values()) {
      this.#options.clock.clearTimeout(timer);
      reject(new DuologueError('disconnected', 'the connection was lost', { retryable: true }));
    }
    this.#pendingById.clear();
    this.#options.onClose({ code, reason });
  }
}

export function offline() {
  return new DuologueError('offline', 'not connected', { retryable: true });
}

/**
 * @param {string} text
 * @returns {import('./protocol.js').Frame | null}
 */
function parse(text) {
  try {
    const frame = JSON.parse(text);
    return frame && typeof frame.type === 'string' ? frame : null;
  } catch {
    return null;
  }
}
