import { DuologueError } from './errors.js';
import { work } from './proof-of-work.js';

/** A token this close to its end is renewed before it is used. */
const EXPIRY_MARGIN_MS = 5_000;
/** A request for a token that takes longer is given up, so that no other tab waits for it. */
const ASK_TIMEOUT_MS = 30_000;
/** The server may notice a loss that much later than we do, and its window begins then: 25 s + 10 s of silence. */
const NOTICED_LATER_MS = 35_000;

/**
 * Who we are, and with what proof: a resume token, an access token, a refresh token, the page's own
 * `getToken`, or a guest's device id. Tokens live in memory only, but for the refresh token of an account that a keeper keeps.
 *
 * @typedef {object} IdentityOptions
 * @property {string} baseUrl
 * @property {{ deviceId: string }} [guest]
 * @property {(why: { refresh: boolean }) => string | Promise<string>} [getToken]
 * @property {import('./login-keeper.js').LoginKeeper} [keeper]
 * @property {typeof fetch} fetch
 * @property {import('./clock.js').Clock} clock
 *
 * @typedef {object} Tokens As the server answers a login.
 * @property {string} access_token
 * @property {string} refresh_token
 * @property {number} [expires_in]
 * @property {import('./protocol.js').WireUser} [user]
 */
export class Identity {
  #options;
  /** @type {{ token: string, expiresAt: number } | null} Local time. */
  #access = null;
  /** @type {string | null} */
  #refreshToken = null;
  /** @type {{ token: string, windowMs: number } | null} */
  #resume = null;
  /** Local time at which the last connection was lost. */
  #lostAt = 0;
  #accessRejected = false;
  /** @type {Promise<string> | null} */
  #renewing = null;
  /** Whether the server has said that guests have to work before they come. */
  #guestsWork = false;
  /** @type {Promise<string> | null} */
  #working = null;

  /** The account that we are logged in to. @type {import('./login-keeper.js').Account | null} */
  #login = null;
  /** Whether that login has ended, and not by our own wish. */
  #isOver = false;

  /** @param {IdentityOptions} options */
  constructor(options) {
    this.#options = options;
    this.begin();
  }

  /** The account that we are logged in to; null: a guest, or whoever `getToken` says. */
  get login() {
    return this.#login;
  }

  /** Takes up what is kept, which another tab may have changed. */
  begin() {
    this.#isOver = false;
    const { keeper } = this.#options;
    if (!keeper) return;
    const kept = keeper.read();
    if (kept?.user.id === this.#login?.user.id) return;
    this.#drop();
    this.#login = kept;
  }

  /**
   * Whether another tab has ended our login, or has logged in as somebody else; then we are nobody.
   *
   * @param {import('./login-keeper.js').Account | null} kept
   */
  endsWith(kept) {
    if (!this.#login || kept?.user.id === this.#login.user.id) return false;
    this.#drop();
    this.#isOver = true;
    return true;
  }

  /**
   * Chooses what the next hello says.
   *
   * @param {number} lastSeq
   * @returns {Promise<import('./protocol.js').WireIdentity>}
   */
  async forHello(lastSeq) {
    const { clock, guest } = this.#options;
    if (this.#isOver) throw loggedOut();
    if (this.#resume) {
      const { token, windowMs } = this.#resume;
      // One that is refused costs a round trip; one not tried costs the place in the queue.
      if (clock.now() - this.#lostAt <= windowMs + NOTICED_LATER_MS) {
        return { resume: { token, last_seq: lastSeq } };
      }
      this.#resume = null;
    }
    if (this.#access && this.#access.expiresAt > clock.now() + EXPIRY_MARGIN_MS) {
      return { token: this.#access.token };
    }
    if (this.#login || this.#refreshToken || !guest) return { token: await this.renew() };
    if (this.#guestsWork) return { token: await this.#comeByWork(guest.deviceId) };
    return { guest: { device_id: guest.deviceId } };
  }

  /**
   * Whether a hello that was refused is to be said again at once: as a guest who has worked for it.
   *
   * @param {unknown} error
   * @param {unknown} features Of `welcome`.
   */
  worksAfter(error, features) {
    const isRefused = error instanceof DuologueError && error.code === 'forbidden';
    const asksForWork = Array.isArray(features) && features.includes('guest_work');
    if (!isRefused || !asksForWork || !this.#options.guest || this.#guestsWork) return false;
    this.#guestsWork = true;
    return true;
  }

  /**
   * Takes over what the server said in reply to hello.
   *
   * @param {import('./protocol.js').WireHelloOk} ok
   * @param {number} serverOffsetMs Server time minus local time.
   */
  adopt(ok, serverOffsetMs) {
    this.#accessRejected = false;
    this.#resume = ok.resume_token
      ? { token: ok.resume_token, windowMs: ok.resume_window_ms ?? 0 }
      : null;
    if (ok.refresh_token) this.#refreshToken = ok.refresh_token;
    if (ok.access_token) {
      const expiresAt = (ok.auth_expires_at ?? Infinity) - serverOffsetMs;
      this.#access = { token: ok.access_token, expiresAt };
    }
  }

  /**
   * An access token that is good for a while, renewed where needed.
   *
   * @returns {Promise<string>}
   * @throws {DuologueError} `unauthorized` when there is nothing to renew with.
   */
  async accessToken() {
    const { clock } = this.#options;
    if (this.#access && this.#access.expiresAt > clock.now() + EXPIRY_MARGIN_MS) return this.#access.token;
    return this.renew();
  }

  /**
   * Is somebody else from now on.
   *
   * @param {Tokens} tokens
   * @param {string} [username] Of an account.
   */
  async become(tokens, username) {
    this.#resume = null;
    await this.settle(tokens, username);
  }

  /**
   * Is the same user with an account from now on.
   *
   * @param {Tokens} tokens
   * @param {string} [username]
   */
  async settle(tokens, username = '') {
    const { user, refresh_token: refreshToken } = tokens;
    const { keeper } = this.#options;
    const before = this.#login;
    this.#login = user && !user.guest ? { user, username } : null;
    this.#isOver = false;
    this.#accessRejected = false;
    this.#refreshToken = refreshToken;
    this.#access = this.#dated(tokens);
    if (this.#login) await keeper?.write({ ...this.#login, refreshToken });
    else if (before) await keeper?.clear(before.user.id);
  }

  /** Is nobody: a guest will be a new one. */
  async forget() {
    const before = this.#login;
    this.#drop();
    if (before) await this.#options.keeper?.clear(before.user.id);
  }

  /** Is nobody in this tab. */
  #drop() {
    this.#login = null;
    this.#resume = null;
    this.#access = null;
    this.#refreshToken = null;
  }

  /** Notes that the connection went away: the resume window runs from here. */
  lost() {
    this.#lostAt = this.#options.clock.now();
  }

  /** Drops the proof that the server has just refused, the most short-lived first. */
  rejected() {
    if (this.#resume) {
      this.#resume = null;
    } else {
      this.#access = null;
      this.#accessRejected = true;
    }
  }

  /** Forgets the resume token, which `bye` voids. */
  forgetResume() {
    this.#resume = null;
  }

  /**
   * Fetches a new access token; concurrent calls share one request.
   *
   * @returns {Promise<string>}
   * @throws {DuologueError} `unauthorized` when nothing is left to renew with, else retryable.
   */
  renew() {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #renew() {
    const { getToken, keeper } = this.#options;
    if (this.#login && keeper) return keeper.exclusively(() => this.#refreshKept(keeper));
    if (this.#refreshToken) return this.#refresh(this.#refreshToken);
    if (!getToken) throw new DuologueError('unauthorized', 'no token to renew with');
    const refresh = this.#accessRejected;
    try {
      return await getToken({ refresh });
    } catch (cause) {
      throw new DuologueError('unavailable', 'getToken failed', { retryable: true, cause });
    }
  }

  /**
   * Renews with the token that the last tab has left.
   *
   * @param {import('./login-keeper.js').LoginKeeper} keeper
   */
  async #refreshKept(keeper) {
    const login = this.#login;
    const kept = await keeper.load();
    if (!login || this.#login !== login) throw loggedOut();
    if (kept?.user.id !== login.user.id) {
      await this.forget();
      this.#isOver = true;
      throw loggedOut();
    }
    this.#refreshToken = kept.refreshToken;
    const token = await this.#refresh(kept.refreshToken);
    // Kept while the lock is held.
    if (this.#login === login && this.#refreshToken) {
      await keeper.renew(kept.refreshToken, { ...kept, refreshToken: this.#refreshToken });
    }
    return token;
  }

  /** @param {string} refreshToken */
  async #refresh(refreshToken) {
    const response = await this.#ask('refresh', { refresh_token: refreshToken });
    if (response.status === 429 || response.status >= 500) {
      throw new DuologueError('unavailable', `refresh: HTTP ${response.status}`, { retryable: true });
    }
    if (!response.ok) {
      // The family is gone: a guest starts over as a new one, a user asks its page.
      if (this.#refreshToken === refreshToken) {
        const wasLoggedIn = this.#login !== null;
        await this.forget();
        if (wasLoggedIn) {
          this.#isOver = true;
          throw loggedOut();
        }
      }
      throw new DuologueError('unauthorized', `refresh: HTTP ${response.status}`, {
        retryable: true,
      });
    }
    const tokens = await response.json();
    if (this.#refreshToken !== refreshToken) {
      // Somebody has logged in or out meanwhile.
      if (!this.#access) throw new DuologueError('unauthorized', 'logged out');
      return this.#access.token;
    }
    this.#refreshToken = tokens.refresh_token ?? refreshToken;
    this.#access = this.#dated(tokens);
    return this.#access.token;
  }

  /**
   * Becomes a guest where guests have to work before they come; a reconnect meanwhile waits for the same work.
   *
   * @param {string} deviceId
   * @returns {Promise<string>} The access token.
   */
  #comeByWork(deviceId) {
    this.#working ??= this.#work(deviceId).finally(() => {
      this.#working = null;
    });
    return this.#working;
  }

  /** @param {string} deviceId */
  async #work(deviceId) {
    const task = await this.#ask('challenge', null);
    // Without one no work is asked for any more.
    const done = task.ok ? await work(await task.json()) : {};
    const response = await this.#ask('guest', { device_id: deviceId, ...done });
    if (!response.ok) {
      // Too late with it, or it was used for an answer that was lost: the next attempt takes another challenge.
      throw new DuologueError('unavailable', `guest: HTTP ${response.status}`, { retryable: true });
    }
    const tokens = await response.json();
    await this.settle(tokens);
    return tokens.access_token;
  }

  /**
   * @param {'refresh' | 'challenge' | 'guest'} what
   * @param {object | null} body Null: only asks.
   */
  async #ask(what, body) {
    try {
      return await this.#options.fetch(new URL(`/v1/auth/${what}`, this.#options.baseUrl).href, {
        method: body ? 'POST' : 'GET',
        ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        credentials: 'omit',
        cache: 'no-store',
        signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      });
    } catch (cause) {
      throw new DuologueError('unavailable', `${what} failed`, { retryable: true, cause });
    }
  }

  /** @param {{ access_token: string, expires_in?: number }} tokens */
  #dated(tokens) {
    const { clock } = this.#options;
    return { token: tokens.access_token, expiresAt: clock.now() + (tokens.expires_in ?? 0) * 1_000 };
  }
}

/** Who was logged in must not become a guest unawares. */
function loggedOut() {
  return new DuologueError('logged_out', 'this login is over');
}
