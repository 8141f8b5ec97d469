import { reconnectDelayMs } from './backoff.js';
import { messageOf, reactionOf, receiptOf } from './chat-event.js';
import { sleep } from './clock.js';
import { Emitter } from './emitter.js';
import { DuologueError, isRetryable } from './errors.js';
import { Receipts } from './receipts.js';
import { kindOf, nameOf } from './uploads.js';
import { uuid } from './uuid.js';

/** How long a message is tried before its `send` fails. */
const SEND_PATIENCE_MS = 30_000;
const RETRY_POLICY = { firstMs: 500, maxMs: 4_000, maxAttempts: Infinity };
const TYPING_REPEAT_MS = 2_000;
/** Messages remembered, so that none is told twice. */
const SEEN_MAX = 2_000;
const PAGE = 100;
/** Pages that are fetched of what was missed. */
const MISSED_PAGES_MAX = 10;

/**
 * What is written in a session or room. Messages leave in the order of `send`; each keeps its `cid` over
 * every retry, so that the server stores and delivers it once. That messages of others have arrived is
 * told by itself; that they were seen is for the page to say (`markRead`).
 *
 * @typedef {object} ChatPort
 * @property {{ session: string } | { room: string }} place
 * @property {(type: string, data: object) => Promise<any>} request
 * @property {(type: string, data: object) => void} notify
 * @property {() => boolean} ended
 * @property {() => string} self Our own alias there.
 * @property {string | null} [since] The last message from before we came: what is older is no news.
 * @property {import('./uploads.js').Uploads} uploads
 * @property {import('./clock.js').Clock} clock
 *
 * @typedef {object} SendOptions
 * @property {string} [replyTo] The `mid` of the message that is answered.
 *
 * @typedef {object} SendFileOptions
 * @property {'voice' | 'image' | 'file'} [kind] By its type: a picture or a file.
 * @property {string} [name]
 * @property {string} [text] Words beside it.
 * @property {string} [replyTo]
 * @property {(progress: { sent: number, total: number }) => void} [onProgress] Bytes.
 * @property {AbortSignal} [signal] Breaks the upload off: `cancelled`.
 *
 * @typedef {object} HistoryWindow
 * @property {string} [before] Only what was sent before this `mid`.
 * @property {string} [after] Only what was sent after it, from there on.
 * @property {number} [limit] 1 to 100.
 *
 * @typedef {import('./chat-event.js').ChatMessage & { deleted: boolean, reactions: { from: string, emoji: string }[] }} StoredMessage
 *
 * @typedef {object} HistoryLoss Messages that were passed on while the server could not store them.
 * @property {number} count In the whole history, on whatever page.
 * @property {number} firstTs When the first of them was sent.
 * @property {number} lastTs When the last of them was sent.
 *
 * @extends {Emitter<import('./chat-event.js').ChatEvents>}
 */
export class Chat extends Emitter {
  #port;
  #receipts;
  #tail = Promise.resolve();
  #typing = false;
  #typingSentAt = 0;
  /** @type {Set<string>} */
  #seen = new Set();
  /** The last message that we know of. */
  #lastMid = '';

  /** @param {ChatPort} port */
  constructor(port) {
    super();
    this.#port = port;
    this.#lastMid = port.since ?? '';
    this.#receipts = new Receipts({ request: port.request, ended: port.ended, clock: port.clock });
  }

  /**
   * Sends a text of at most 2,000 characters.
   *
   * @param {string} text
   * @param {SendOptions} [options]
   * @returns {Promise<{ mid: string, ts: number, cid: string }>}
   * @throws {DuologueError} `ended` when the session is over, else what the server answered.
   */
  send(text, { replyTo } = {}) {
    this.#typing = false;
    return this.#enqueue({ kind: 'text', text, ...(replyTo && { reply_to: replyTo }) });
  }

  /**
   * Sends a picture, a voice note or any other file. It leaves the server with its message (`remove`).
   *
   * @param {Blob & { name?: string }} file
   * @param {SendFileOptions} [options]
   * @returns {Promise<{ mid: string, ts: number, cid: string }>}
   * @throws {DuologueError} As `send`, and `too_large`, `conflict` (our quota is used up), `bad_request` (it is
   *   not what it says), `cancelled`.
   */
  async sendFile(file, options = {}) {
    const { kind = kindOf(file), text = '', replyTo, onProgress, signal } = options;
    if (this.#port.ended()) throw new DuologueError('ended', 'the session is over');
    const name = options.name ?? nameOf(file, kind);
    const upload = await this.#port.uploads.take(this.#port.place, file, { kind, name }, { onProgress, signal });
    return this.#enqueue({ kind, file: upload, text, ...(replyTo && { reply_to: replyTo }) });
  }

  /**
   * Reacts to a message, or to the call where none is named.
   *
   * @param {string} emoji 1 to 32 bytes.
   * @param {string | null} [mid]
   * @param {{ remove?: boolean }} [options]
   */
  async react(emoji, mid = null, { remove = false } = {}) {
    await this.#port.request('chat.react', { emoji, remove, ...(mid && { mid }) });
  }

  /**
   * Deletes one of our own messages for everybody, with its file.
   *
   * @param {string} mid
   */
  async remove(mid) {
    await this.#port.request('chat.delete', { mid });
  }

  /**
   * Tells the others that we have seen what they wrote. May be called at any time.
   *
   * @param {string} [mid] Up to here; without it, up to the last one.
   */
  markRead(mid = this.#lastMid) {
    if (mid) this.#receipts.read(mid);
  }

  /**
   * A part of what was written, oldest first, with new addresses of its files.
   *
   * @param {HistoryWindow} [window]
   * @returns {Promise<{ messages: StoredMessage[], more: boolean, receipts: import('./chat-event.js').ChatReceipt[],
   *   lost: HistoryLoss | null }>}
   */
  async history(window = {}) {
    const { messages, more, receipts = [], lost } = await this.#port.request('chat.history', window);
    return {
      messages: messages.map((/** @type {any} */ message) => ({
        ...this.#messageOf(message, 0),
        deleted: message.deleted === true,
        reactions: message.reactions ?? [],
      })),
      more,
      receipts: receipts.map(receiptOf),
      lost: lost ? { count: lost.count, firstTs: lost.first_ts, lastTs: lost.last_ts } : null,
    };
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

  /**
   * Takes a push. For the SDK's own use.
   *
   * @param {string} type
   * @param {any} data
   * @param {number} ts
   * @returns {boolean} Whether it was one of chat.
   */
  handlePush(type, data, ts) {
    switch (type) {
      case 'chat.message':
        this.#tell(this.#messageOf(data, ts));
        return true;
      case 'chat.receipt':
        this.emit('receipt', receiptOf(data));
        return true;
      case 'chat.reaction':
        this.emit('reaction', reactionOf(data));
        return true;
      case 'chat.deleted':
        this.emit('deleted', { from: data.from, mid: data.mid });
        return true;
      default:
        return false;
    }
  }

  /** Tells what was written while pushes were missed. For the SDK's own use. */
  async catchUp() {
    for (let page = 0; page < MISSED_PAGES_MAX; page += 1) {
      const after = this.#lastMid;
      const { messages, more } = await this.history({ limit: PAGE, ...(after && { after }) });
      for (const { deleted, reactions: _, ...message } of messages) {
        if (!deleted && message.from !== this.#port.self()) this.#tell(message);
      }
      const last = messages.at(-1)?.mid;
      if (!after || !more || !last || last <= after) return;
      this.#lastMid = last;
    }
  }

  /** For the SDK's own use. */
  close() {
    this.#receipts.close();
  }

  /** @param {import('./chat-event.js').ChatMessage} message */
  #tell(message) {
    const { mid } = message;
    if (this.#seen.has(mid)) return;
    this.#seen.add(mid);
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(/** @type {string} */ (this.#seen.values().next().value));
    if (mid > this.#lastMid) this.#lastMid = mid;
    this.#receipts.delivered(mid);
    this.emit('message', message);
  }

  /**
   * @param {any} data
   * @param {number} ts
   */
  #messageOf(data, ts) {
    return messageOf(data, ts, (url) => this.#port.uploads.absolute(url));
  }

  /** @param {object} content */
  #enqueue(content) {
    const message = { cid: uuid(), ...content };
    const sent = this.#tail.then(() => this.#deliver(message));
    this.#tail = sent.then(noop, noop);
    return sent;
  }

  /** @param {{ cid: string }} message */
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
