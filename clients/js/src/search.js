import { reconnectDelayMs } from './backoff.js';
import { Emitter } from './emitter.js';
import { DuologueError, isRetryable } from './errors.js';

const RETRY_POLICY = { firstMs: 1_000, maxMs: 8_000, maxAttempts: Infinity };

/**
 * @typedef {object} QueueOptions
 * @property {string[]} [tags] At most 10; `any` matches every tag.
 * @property {string[]} [languages]
 * @property {string} [region]
 * @property {string} [mode]
 * @property {Record<string, unknown>} [attrs]
 * @property {Record<string, unknown>} [want]
 * @property {number} [tagWaitMs] How long common tags are insisted on.
 * @property {number} [size] How many are to meet, see `client.search()`.
 * @property {MediaStream} [stream] What is sent. Without it we only receive.
 *
 * @typedef {object} QueueStatus
 * @property {'searching' | 'widening'} state
 * @property {number} ahead Tickets older than ours.
 * @property {number} waiting Tickets in all.
 * @property {number | null} etaMs Null: unknown.
 * @property {number} level 0 (everything must fit) to 4.
 * @property {number | null} since Unix milliseconds.
 *
 * @typedef {{ status: QueueStatus, retry: { code: string, inMs: number } }} SearchEvents
 *
 * @typedef {object} SearchPort
 * @property {(type: string, data: object) => Promise<any>} request
 * @property {() => boolean} isOnline
 * @property {(search: Search<any>) => void} onDone
 * @property {import('./clock.js').Clock} clock
 */

/**
 * One wish for a partner or a group: from `client.queue()` or `client.search()` until a match, a cancel
 * or a failure. It joins again by itself after a lost connection.
 *
 * @template [T=import('./session.js').Session] What comes of it.
 * @extends {Emitter<SearchEvents>}
 */
export class Search extends Emitter {
  #port;
  #done = false;
  #joining = false;
  #attempt = 0;
  /** @type {unknown} */
  #timer = null;
  /** @type {(met: T) => void} */
  #resolve;
  /** @type {(error: DuologueError) => void} */
  #reject;

  /** @type {QueueStatus | null} */
  status = null;
  /**
   * The session or room, once matched. Rejects with `cancelled`, `closed` or the server's refusal.
   * @readonly @type {Promise<T>}
   */
  matched;

  /**
   * @param {SearchPort} port
   * @param {QueueOptions} options
   */
  constructor(port, options) {
    super();
    this.#port = port;
    /** @readonly */
    this.options = options;
    /** @type {any} */
    let settle = {};
    this.matched = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#resolve = settle.resolve;
    this.#reject = settle.reject;
    // A page that only listens to events must not see an unhandled rejection.
    this.matched.catch(() => {});
  }

  get done() {
    return this.#done;
  }

  /** Whether more than two are to meet. */
  get wantsGroup() {
    return (this.options.size ?? 2) > 2;
  }

  /** Leaves the queue. Does nothing after a match. */
  cancel() {
    if (this.#done) return;
    if (this.#port.isOnline()) this.#port.request('queue.leave', {}).catch(() => {});
    this.fail(new DuologueError('cancelled', 'the search was cancelled'));
  }

  /** Joins the queue, now and after each reconnect. For the SDK's own use. */
  async join() {
    if (this.#done || this.#joining || !this.#port.isOnline()) return;
    this.#clearTimer();
    this.#joining = true;
    try {
      const status = await this.#port.request('queue.join', wireOptions(this.options));
      this.#attempt = 0;
      this.handleStatus(status);
    } catch (error) {
      this.#onRefused(error);
    } finally {
      this.#joining = false;
    }
  }

  /** @param {import('./protocol.js').WireQueueStatus} status */
  handleStatus(status) {
    if (this.#done || typeof status.state !== 'string') return;
    this.status = {
      state: status.state,
      ahead: status.ahead ?? 0,
      waiting: status.waiting ?? 0,
      etaMs: status.eta_ms ?? null,
      level: status.level ?? 0,
      since: status.since ?? null,
    };
    this.emit('status', this.status);
  }

  /** @param {T} met */
  succeed(met) {
    if (this.#finish()) this.#resolve(met);
  }

  /** @param {DuologueError} error */
  fail(error) {
    if (this.#finish()) this.#reject(error);
  }

  /** @param {unknown} error */
  #onRefused(error) {
    if (!(error instanceof DuologueError)) throw error;
    // Already waiting: an earlier join got through, its reply did not.
    if (error.code === 'already_queued') return;
    // A lost connection brings us back here by itself.
    if (error.code === 'offline' || error.code === 'disconnected') return;
    if (!isRetryable(error)) {
      this.fail(error);
      return;
    }
    const { clock } = this.#port;
    const inMs = error.retryAfterMs + reconnectDelayMs(RETRY_POLICY, this.#attempt, clock.random);
    this.#attempt += 1;
    this.emit('retry', { code: error.code, inMs });
    this.#timer = clock.setTimeout(() => this.join(), inMs);
  }

  #finish() {
    if (this.#done) return false;
    this.#done = true;
    this.#clearTimer();
    this.#port.onDone(this);
    return true;
  }

  #clearTimer() {
    if (this.#timer !== null) this.#port.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** @param {QueueOptions} options */
function wireOptions({ tags, languages, region, mode, attrs, want, tagWaitMs, size, stream }) {
  return {
    tags: tags ?? [],
    languages: languages ?? [],
    ...(region && { region }),
    ...(mode && { mode }),
    ...(attrs && { attrs }),
    ...(want && { want }),
    ...(size !== undefined && { size }),
    ...(tagWaitMs !== undefined && { tag_wait_ms: tagWaitMs }),
    media: {
      audio: (stream?.getAudioTracks().length ?? 0) > 0,
      video: (stream?.getVideoTracks().length ?? 0) > 0,
    },
  };
}
