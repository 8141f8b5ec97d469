/** One error type for everything that can go wrong, told apart by its `code`. */
export class DuologueError extends Error {
  /**
   * @param {string} code A wire error code, or one of the SDK's own: `offline`, `disconnected`,
   *   `timeout`, `cancelled`, `closed`, `ended`, `logged_out`.
   * @param {string} [message]
   * @param {{ retryable?: boolean, retryAfterMs?: number, cause?: unknown }} [details]
   */
  constructor(code, message, { retryable = false, retryAfterMs = 0, cause } = {}) {
    super(message || code, cause === undefined ? undefined : { cause });
    this.name = 'DuologueError';
    /** @readonly */
    this.code = code;
    /** @readonly */
    this.retryable = retryable;
    /** @readonly */
    this.retryAfterMs = retryAfterMs;
  }

  /** @param {import('./protocol.js').WireError | undefined} error */
  static fromWire(error) {
    return new DuologueError(error?.code ?? 'internal', error?.message, {
      retryable: error?.retryable === true,
      retryAfterMs: error?.retry_after_ms ?? 0,
    });
  }
}

/**
 * Tells whether trying the same thing again later can work.
 *
 * @param {unknown} error
 */
export function isRetryable(error) {
  return error instanceof DuologueError && error.retryable;
}
