import { CloseCode } from './protocol.js';

/**
 * @typedef {object} ReconnectPolicy
 * @property {number} firstMs Ceiling of the first wait.
 * @property {number} maxMs Ceiling of every wait.
 * @property {number} maxAttempts Failed attempts in a row before giving up.
 */

/** @type {ReconnectPolicy} */
export const defaultReconnectPolicy = { firstMs: 300, maxMs: 8_000, maxAttempts: Infinity };

/**
 * Draws the wait before reconnect number `attempt` (from 0): full jitter, so that the clients of a
 * restarted server spread over the whole interval instead of arriving together.
 *
 * @param {ReconnectPolicy} policy
 * @param {number} attempt
 * @param {() => number} random
 */
export function reconnectDelayMs(policy, attempt, random) {
  const ceilingMs = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(attempt, 16));
  return Math.round(random() * ceilingMs);
}

/**
 * Says what a close code asks for: `stop` (trying again cannot help), `refresh` (a new access
 * token first) or `retry`.
 *
 * @param {number} code
 * @returns {'stop' | 'refresh' | 'retry'}
 */
export function reactionToClose(code) {
  switch (code) {
    case CloseCode.BAD_FRAME:
    case CloseCode.FORBIDDEN:
    case CloseCode.REPLACED:
    case CloseCode.TOO_BIG:
    case CloseCode.VERSION:
      return 'stop';
    case CloseCode.UNAUTHORIZED:
      return 'refresh';
    default:
      return 'retry';
  }
}

/**
 * @param {number} code
 * @returns {string} A stable word for the code, for `closed` states and logs.
 */
export function closeReason(code) {
  switch (code) {
    case CloseCode.NORMAL:
      return 'closed';
    case CloseCode.DRAIN:
      return 'drain';
    case CloseCode.BAD_FRAME:
      return 'bad_frame';
    case CloseCode.UNAUTHORIZED:
      return 'unauthorized';
    case CloseCode.FORBIDDEN:
      return 'forbidden';
    case CloseCode.SLOW_CONSUMER:
      return 'slow_consumer';
    case CloseCode.REPLACED:
      return 'replaced';
    case CloseCode.TOO_BIG:
      return 'too_big';
    case CloseCode.VERSION:
      return 'version';
    case CloseCode.RATE:
      return 'rate_limited';
    case CloseCode.HELLO_TIMEOUT:
      return 'hello_timeout';
    default:
      return 'connection_lost';
  }
}
