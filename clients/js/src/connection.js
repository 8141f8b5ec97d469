import { closeReason, defaultReconnectPolicy, reactionToClose, reconnectDelayMs } from './backoff.js';
import { DuologueError } from './errors.js';
import { Identity } from './identity.js';
import { Link, offline } from './link.js';
import { CloseCode } from './protocol.js';
import { watchWake } from './wake.js';

/** A connection that lasted this long makes the next wait short again. */
const STABLE_MS = 10_000;
/** Silence after which a woken page asks the server for a sign of life. */
const SUSPICIOUS_SILENCE_MS = 5_000;
const PROBE_TIMEOUT_MS = 4_000;
const BYE_TIMEOUT_MS = 1_000;
/** Refused hellos in a row before we believe that we are not wanted. */
const MAX_REFUSALS = 3;
/** How long a server that refuses the hello may take to close. */
const REFUSAL_CLOSE_MS = 1_000;
/**
 * So many sequenced pushes, or characters of them, are acknowledged: the server frees what it would
 * replay, and has room for what comes while we are away. PROTOCOL rules 28, 35.
 */
const ACK_PUSHES = 16;
const ACK_CHARACTERS = 16_384;

/**
 * @typedef {'idle' | 'connecting' | 'online' | 'offline' | 'closed'} ClientState
 *
 * @typedef {object} StateEvent
 * @property {ClientState} state
 * @property {string} [reason] For `offline` and `closed`.
 * @property {boolean} [terminal] For `closed`: trying again cannot help.
 * @property {number} [retryInMs] For `offline`.
 *
 * @typedef {object} ConnectionHandlers
 * @property {(state: StateEvent) => void} onState
 * @property {(ok: import('./protocol.js').WireHelloOk) => void} onHello After the state is `online`.
 * @property {(frame: import('./protocol.js').Frame) => void} onPush
 */

/**
 * Keeps one socket to the server alive: hello, reconnect with jitter, renewed tokens.
 */
export class Connection {
  #options;
  #clock;
  #logger;
  #handlers;
  #policy;
  #identity;
  /** @type {StateEvent} */
  #state = { state: 'idle' };
  /** @type {Link | null} */
  #link = null;
  /** Grows with each attempt, so that a late result of an older one is recognised. */
  #generation = 0;
  #attempt = 0;
  #refusals = 0;
  #onlineSince = 0;
  #lastFrameAt = 0;
  #lastSeq = 0;
  /** What has come since the last `ack`. */
  #unacked = { pushes: 0, characters: 0 };
  #serverOffsetMs = 0;
  /** @type {unknown} Of the last `welcome`. */
  #features = null;
  /** @type {unknown} */
  #retryTimer = null;
  /** @type {(() => void) | null} */
  #stopWatching = null;

  /**
   * @param {import('./client.js').ClientOptions} options
   * @param {import('./clock.js').Clock} clock
   * @param {import('./client.js').Logger} logger
   * @param {ConnectionHandlers} handlers
   */
  constructor(options, clock, logger, handlers) {
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#handlers = handlers;
    this.#policy = { ...defaultReconnectPolicy, ...(options.reconnect || {}) };
    if (options.reconnect === false) this.#policy.maxAttempts = 0;
    this.#identity = new Identity({
      baseUrl: options.url.replace(/^ws/, 'http'),
      guest: options.guest,
      getToken: options.getToken,
      keeper: options.keeper,
      fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
      clock,
    });
  }

  get state() {
    return this.#state;
  }

  /** The account that we are logged in to, if any. */
  get login() {
    return this.#current().login;
  }

  get online() {
    return this.#state.state === 'online';
  }

  /** Starts, or does nothing when already at it. */
  open() {
    if (this.#state.state !== 'idle' && this.#state.state !== 'closed') return;
    this.#attempt = 0;
    this.#refusals = 0;
    this.#identity.begin();
    this.#stopWatching ??= this.#watch();
    this.#connect();
  }

  /** Sees the page wake up, and other tabs log out. */
  #watch() {
    const stopWake = watchWake(() => this.#onWake());
    const stopLogin = this.#options.keeper?.watch((kept) => {
      if (this.#identity.endsWith(kept)) this.#leave('logged_out', true);
    });
    return () => {
      stopWake();
      stopLogin?.();
    };
  }

  /** Says goodbye and stops. */
  close() {
    return this.#leave('bye', false);
  }

  /**
   * @param {string} reason
   * @param {boolean} terminal
   */
  async #leave(reason, terminal) {
    if (this.#state.state === 'closed') return;
    const link = this.#link;
    const polite = this.online;
    this.#identity.forgetResume();
    this.#stop(reason, terminal);
    if (polite) await link?.request('bye', {}, BYE_TIMEOUT_MS).catch(() => {});
    link?.drop();
  }

  /**
   * @param {string} type
   * @param {object} data
   * @returns {Promise<any>}
   */
  request(type, data) {
    return this.#link && this.online ? this.#link.request(type, data) : Promise.reject(offline());
  }

  /**
   * @param {string} type
   * @param {object} data
   */
  notify(type, data) {
    if (this.online) this.#link?.notify(type, data);
  }

  /**
   * Says goodbye as who we were, and comes back as somebody else if we were there.
   *
   * @param {import('./identity.js').Tokens | null} tokens Null: as nobody, or as a new guest.
   * @param {string} [username] Of an account.
   */
  async become(tokens, username) {
    const wasOpen = this.#state.state !== 'idle' && this.#state.state !== 'closed';
    if (wasOpen) await this.close();
    if (tokens) await this.#identity.become(tokens, username);
    else await this.#identity.forget();
    if (wasOpen && tokens) this.open();
  }

  /**
   * Goes on as the same user with an account.
   *
   * @param {import('./identity.js').Tokens} tokens
   * @param {string} username
   */
  async settle(tokens, username) {
    await this.#identity.settle(tokens, username);
    try {
      await this.request('auth.refresh', { token: tokens.access_token });
    } catch (error) {
      // Without a connection the next hello says it.
      this.#logger.debug('auth.refresh', error);
    }
  }

  /** An access token for REST. */
  accessToken() {
    return this.#current().accessToken();
  }

  /** Who we are; while there is no connection, as whoever has logged in in any tab. */
  #current() {
    if (this.#state.state === 'idle' || this.#state.state === 'closed') this.#identity.begin();
    return this.#identity;
  }

  /**
   * Compares the server's clock with ours.
   *
   * @param {unknown} serverTime Unix milliseconds, as of now.
   */
  setServerTime(serverTime) {
    if (typeof serverTime === 'number') this.#serverOffsetMs = serverTime - this.#clock.now();
  }

  /** @param {number} serverTime */
  toLocalTime(serverTime) {
    return serverTime - this.#serverOffsetMs;
  }

  async #connect() {
    this.#clearRetry();
    this.#generation += 1;
    const generation = this.#generation;
    const current = () => generation === this.#generation;
    this.#setState({ state: 'connecting' });
    /** @type {Link | null} */
    let link = null;
    try {
      const identity = await this.#identity.forHello(this.#lastSeq);
      if (!current()) return;
      link = new Link({
        url: this.#options.url,
        WebSocket: this.#options.WebSocket ?? globalThis.WebSocket,
        clock: this.#clock,
        onPush: (frame, characters) => {
          if (current()) this.#onPush(frame, characters);
        },
        onClose: ({ code }) => {
          if (current()) this.#onClose(code);
        },
      });
      this.#link = link;
      const ok = await link.hello(identity);
      if (current()) this.#onHello(ok);
    } catch (error) {
      if (!current()) return;
      this.#logger.debug('connect failed', error);
      if (error instanceof DuologueError && error.code === 'logged_out') {
        this.#stop('logged_out', true);
        return;
      }
      const failed = link;
      if (failed && this.#identity.worksAfter(error, this.#features)) {
        failed.drop();
        this.#connect();
        return;
      }
      // A server that refuses the hello closes, and its code decides; it is not waited for long.
      if (failed) this.#clock.setTimeout(() => failed.drop(), REFUSAL_CLOSE_MS);
      else this.#onClose(isUnauthorized(error) ? CloseCode.UNAUTHORIZED : 1006);
    }
  }

  /** @param {import('./protocol.js').WireHelloOk} ok */
  #onHello(ok) {
    this.#refusals = 0;
    this.#onlineSince = this.#clock.now();
    this.#lastFrameAt = this.#onlineSince;
    this.#identity.adopt(ok, this.#serverOffsetMs);
    // `seq` counts per resume chain: a plain hello starts it over.
    if (!ok.resumed) this.#lastSeq = 0;
    this.#setState({ state: 'online' });
    this.#handlers.onHello(ok);
  }

  /**
   * @param {import('./protocol.js').Frame} frame
   * @param {number} characters
   */
  #onPush(frame, characters) {
    this.#lastFrameAt = this.#clock.now();
    if (frame.seq !== undefined) {
      // Had before: a server that repeats itself must not make us do so.
      if (frame.seq <= this.#lastSeq) return;
      this.#lastSeq = frame.seq;
      this.#acknowledge(characters);
    }
    if (frame.type === 'welcome') {
      this.setServerTime(frame.data?.time);
      this.#features = frame.data?.features;
    }
    if (frame.type === 'auth.expiring') this.#renewToken();
    else this.#handlers.onPush(frame);
  }

  /** @param {number} characters Of one more sequenced push. */
  #acknowledge(characters) {
    const unacked = this.#unacked;
    unacked.pushes += 1;
    unacked.characters += characters;
    if (unacked.pushes < ACK_PUSHES && unacked.characters < ACK_CHARACTERS) return;
    this.#unacked = { pushes: 0, characters: 0 };
    this.notify('ack', { seq: this.#lastSeq });
  }

  async #renewToken() {
    const generation = this.#generation;
    try {
      const token = await this.#identity.renew();
      if (generation === this.#generation) await this.request('auth.refresh', { token });
    } catch (error) {
      // Not fatal: the server closes with 4401 later, and the next hello renews again.
      this.#logger.warn('token not renewed', error);
    }
  }

  /** @param {number} code */
  #onClose(code) {
    const waitMs = this.#link?.lastError?.retryAfterMs ?? 0;
    this.#link = null;
    this.#generation += 1;
    if (this.online) {
      this.#identity.lost();
      if (this.#clock.now() - this.#onlineSince >= STABLE_MS) this.#attempt = 0;
    }
    const reaction = reactionToClose(code);
    if (reaction === 'refresh') {
      this.#identity.rejected();
      this.#refusals += 1;
    }
    const reason = closeReason(code);
    if (reaction === 'stop' || this.#refusals > MAX_REFUSALS) this.#stop(reason, true);
    else if (this.#attempt >= this.#policy.maxAttempts) this.#stop(reason, false);
    else this.#retryLater(reason, waitMs);
  }

  /**
   * @param {string} reason
   * @param {number} waitMs What the server asked for, at least.
   */
  #retryLater(reason, waitMs) {
    const retryInMs = waitMs + reconnectDelayMs(this.#policy, this.#attempt, this.#clock.random);
    this.#attempt += 1;
    this.#retryTimer = this.#clock.setTimeout(() => this.#connect(), retryInMs);
    this.#setState({ state: 'offline', reason, retryInMs });
  }

  /**
   * @param {string} reason
   * @param {boolean} terminal
   */
  #stop(reason, terminal) {
    this.#clearRetry();
    this.#generation += 1;
    this.#link = null;
    this.#stopWatching?.();
    this.#stopWatching = null;
    this.#setState({ state: 'closed', reason, terminal });
  }

  #onWake() {
    if (this.#state.state === 'offline') this.#connect();
    else if (this.online) this.#probe();
  }

  /** A socket that died while the page slept looks open until somebody asks it something. */
  #probe() {
    const link = this.#link;
    if (!link || this.#clock.now() - this.#lastFrameAt < SUSPICIOUS_SILENCE_MS) return;
    link.request('ack', { seq: this.#lastSeq }, PROBE_TIMEOUT_MS).catch((error) => {
      // Any reply is a sign of life, a refusal included.
      if (error.code === 'timeout' && link === this.#link) link.drop();
    });
  }

  /** @param {StateEvent} state */
  #setState(state) {
    this.#state = state;
    this.#handlers.onState(state);
  }

  #clearRetry() {
    if (this.#retryTimer !== null) this.#clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }
}

/** @param {unknown} error */
function isUnauthorized(error) {
  return error instanceof DuologueError && error.code === 'unauthorized';
}
