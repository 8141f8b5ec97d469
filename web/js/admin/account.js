import { DuologueError } from '/sdk/errors.js';
import { Rest } from '/sdk/rest.js';

/** The refresh token, for as long as this tab lives. */
const KEPT = 'duologue.admin.refresh';
/** The name that was logged in with. */
const NAME = 'duologue.admin.name';
/** A token this close to its end is renewed before it is used. */
const MARGIN_MS = 10_000;

/**
 * Who works at this page: logs in, keeps the tokens good, sends requests.
 *
 * @typedef {{ id: string, role: 'user' | 'moderator' | 'admin', guest: boolean }} User
 */
export class Account {
  #rest;
  #onGone;
  /** @type {{ token: string, goodUntil: number } | null} */
  #access = null;
  /** @type {Promise<string> | null} */
  #renewing = null;

  /** @param {() => void} onGone Called when the login is over, and not by a wish of this page. */
  constructor(onGone) {
    this.#onGone = onGone;
    this.#rest = new Rest({
      baseUrl: location.origin,
      accessToken: () => this.#token(),
      fetch: (...request) => fetch(...request),
    });
  }

  /** Whether somebody has logged in here before. */
  get isKept() {
    return sessionStorage.getItem(KEPT) !== null;
  }

  /** The name that was logged in with. */
  get name() {
    return sessionStorage.getItem(NAME) ?? '';
  }

  /**
   * @param {string} username
   * @param {string} password
   */
  async logIn(username, password) {
    this.#adopt(await this.#rest.requestAsNobody('POST', '/v1/auth/login', { username, password }));
    sessionStorage.setItem(NAME, username);
  }

  /** Ends the login here, and on the server if it can be reached. */
  async logOut() {
    const told = this.#access ? this.#rest.request('POST', '/v1/auth/logout').catch(() => {}) : null;
    this.#forget();
    await told;
  }

  /** @returns {Promise<User>} */
  me() {
    return this.request('GET', '/v1/auth/me');
  }

  /**
   * @param {'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async request(method, path, body) {
    try {
      return await this.#rest.request(method, path, body);
    } catch (error) {
      if (!(error instanceof DuologueError) || error.code !== 'unauthorized' || !this.isKept) throw error;
    }
    // The access token was refused before its time: once more with another one.
    this.#access = null;
    try {
      return await this.#rest.request(method, path, body);
    } catch (error) {
      if (error instanceof DuologueError && error.code === 'unauthorized') this.#gone();
      throw error;
    }
  }

  /**
   * Asks for bytes.
   *
   * @param {string} path
   * @returns {Promise<Blob>}
   * @throws {DuologueError} With the code of the server's problem.
   */
  async blob(path) {
    const ask = async () =>
      fetch(path, { headers: { authorization: `Bearer ${await this.#token()}` }, cache: 'no-store', credentials: 'omit' });
    let response = await ask();
    if (response.status === 401) {
      this.#access = null;
      response = await ask();
    }
    if (response.ok) return response.blob();
    const answer = await response.json().catch(() => null);
    throw new DuologueError(answer?.code ?? 'internal', answer?.detail);
  }

  async #token() {
    if (this.#access && this.#access.goodUntil > Date.now()) return this.#access.token;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #renew() {
    const kept = sessionStorage.getItem(KEPT);
    if (kept === null) throw new DuologueError('unauthorized', 'nobody is logged in');
    try {
      const tokens = await this.#rest.requestAsNobody('POST', '/v1/auth/refresh', { refresh_token: kept });
      // Somebody may have logged out meanwhile.
      if (sessionStorage.getItem(KEPT) !== kept) throw new DuologueError('unauthorized', 'logged out');
      return this.#adopt(tokens);
    } catch (error) {
      if (error instanceof DuologueError && error.code === 'unauthorized') this.#gone();
      throw error;
    }
  }

  /** @param {{ access_token: string, refresh_token: string, expires_in: number }} tokens */
  #adopt(tokens) {
    sessionStorage.setItem(KEPT, tokens.refresh_token);
    this.#access = { token: tokens.access_token, goodUntil: Date.now() + tokens.expires_in * 1_000 - MARGIN_MS };
    return this.#access.token;
  }

  #forget() {
    sessionStorage.removeItem(KEPT);
    sessionStorage.removeItem(NAME);
    this.#access = null;
  }

  #gone() {
    if (!this.isKept) return;
    this.#forget();
    this.#onGone();
  }
}
