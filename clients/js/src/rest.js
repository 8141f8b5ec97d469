import { DuologueError } from './errors.js';

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
   * @param {'GET' | 'POST' | 'PATCH' | 'DELETE'} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} What the answer holds; null where that is nothing.
   * @throws {DuologueError} With the code of the server's problem; `unavailable` without an answer.
   */
  async request(method, path, body) {
    const { baseUrl, accessToken, fetch } = this.#options;
    const headers = { authorization: `Bearer ${await accessToken()}` };
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
