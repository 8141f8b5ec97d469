import { reconnectDelayMs } from './backoff.js';
import { sleep } from './clock.js';
import { DuologueError, isRetryable } from './errors.js';

/** How long a message is tried before its `send` fails. */
const SEND_PATIENCE_MS = 30_000;
const RETRY_POLICY = { firstMs: 500, maxMs: 4_000, maxAttempts: Infinity };
const TYPING_REPEAT_MS = 2_000;

/**
 * The text side of a session. Messages leave in the order of `send`; each keeps its `cid` over every
 * retry, so that the server stores and delivers it once.
 *
 * @typedef {object} ChatPort
 * @property {(type: string, data: object) => Promise<any>} request
 * @property {(type: string, data: object) => void} notify
 * @property {() => boolean} ended
 * @property {import('./clock.js').Clock} clock
 */
export class Chat {
  #port;
  #tail = Promise.resolve();
  #typing = false;
  #typingSentAt = 0;

  /** @param {ChatPort} port */
  constructor(port) {
    this.#port = port;
  }

  /**
   * Sends a text of at most 2,000 characters.
   *
   * @param {string} text
   * @returns {Promise<{ mid: string, ts: number, cid: string }>}
   * @throws {DuologueError} `ended` when the session is over, else what the server answered.
   */
  send(text) {
    const cid = uuid();
    this.#typing = false;
    const sent = this.#tail.then(() => this.#deliver({ cid, kind: 'text', text }));
    this.#tail = sent.then(noop, noop);
    return sent;
  }

  /**
   * Tells the other side that we write, or have stopped. May be called on every key.
   *
   * @param {boolean} on
   */
  typing(on) {
    const now = this.#port.clock.now();
    const news = on !== this.#typing || (on && now - this.#typingSentAt >= TYPING_REPEAT_MS);
    if (!news || this.#port.ended()) return;
    this.#typing = on;
    this.#typingSentAt = now;
    this.#port.notify('chat.typing', { on });
  }

  /** @param {{ cid: string, kind: string, text: string }} message */
  async #deliver(message) {
    const { clock } = this.#port;
    const giveUpAt = clock.now() + SEND_PATIENCE_MS;
    for (let attempt = 0; ; attempt += 1) {
      if (this.#port.ended()) throw new DuologueError('ended', 'the session is over');
      try {
        const { mid, ts } = await this.#port.request('chat.send', message);
        return { mid, ts, cid: message.cid };
      } catch (error) {
        if (!isRetryable(error) || clock.now() >= giveUpAt) throw error;
        const afterMs = error instanceof DuologueError ? error.retryAfterMs : 0;
        await sleep(clock, afterMs + reconnectDelayMs(RETRY_POLICY, attempt, clock.random));
      }
    }
  }
}

function noop() {}

/** A version 4 UUID; `crypto.randomUUID` is missing outside secure contexts. RFC 9562 §5.4. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte, index) => {
    let value = byte;
    if (index === 6) value = (byte & 0x0f) | 0x40;
    if (index === 8) value = (byte & 0x3f) | 0x80;
    return value.toString(16).padStart(2, '0');
  });
  return [[0, 4], [4, 6], [6, 8], [8, 10], [10, 16]]
    .map(([from, to]) => hex.slice(from, to).join(''))
    .join('-');
}
