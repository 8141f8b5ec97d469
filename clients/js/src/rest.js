import { DuologueError } from './errors.js';
import { uuid } from './uuid.js';

/**
 * Requests to the server's REST side, as whoever the WebSocket says we are.
 *
 * @typedef {object} RestOptions
 * @property {string} baseUrl
 * @property {() => Promise<string>} accessToken
 * @property {typeof fetch} fetch
 */
export class Rest {
  #options;

  /** @param {RestOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /**
   * @param {'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} What the answer holds; null where that is nothing. A POST that got no answer is sent again, once.
   * @throws {DuologueError} With the code of the server's problem; `unavailable` without an answer.
   */
  async request(method, path, body) {
    const authorization = `Bearer ${await this.#options.accessToken()}`;
    if (method !== 'POST') return this.#send(method, path, body, { authorization });
    // With the same key it has one effect, whether the first one arrived or not.
    const headers = { authorization, 'idempotency-key': uuid() };
    try {
      return await this.#send(method, path, body, headers);
    } catch (error) {
      if (!(error instanceof DuologueError) || !(error.cause instanceof Error)) throw error;
      return this.#send(method, path, body, headers);
    }
  }

  /**
   * A whole list that the server gives page by page.
   *
   * @param {string} path
   * @param {string} name What the pages call their part of it.
   * @returns {Promise<any[]>}
   * @throws {DuologueError} As `request`.
   */
  async list(path, name) {
    const entries = [];
    let query = '';
    do {
      const page = await this.request('GET', `${path}${query}`);
      entries.push(...page[name]);
      query = page.next ? `?after=${encodeURIComponent(page.next)}` : '';
    } while (query);
    return entries;
  }

  /**
   * Like `request`, without saying who we are.
   *
   * @param {'GET' | 'POST'} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   * @throws {DuologueError} As `request`.
   */
  requestAsNobody(method, path, body) {
    return this.#send(method, path, body, {});
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object | undefined} body
   * @param {Record<string, string>} headers
   */
  async #send(method, path, body, headers) {
    const { baseUrl, fetch } = this.#options;
    let response;
    try {
      response = await fetch(new URL(path, baseUrl).href, {
        method,
        headers: body ? { ...headers, 'content-type': 'application/json' } : headers,
        ...(body && { body: JSON.stringify(body) }),
        credentials: 'omit',
        cache: 'no-store',
      });
    } catch (cause) {
      throw new DuologueError('unavailable', `${method} ${path} failed`, { retryable: true, cause });
    }
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => null);
    if (response.ok && answer !== null) return answer;
    throw new DuologueError(answer?.code ?? 'internal', answer?.detail, {
      retryable: response.status === 429 || response.status === 503,
      retryAfterMs: answer?.retry_after_ms ?? 0,
    });
  }
}
