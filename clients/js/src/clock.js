/**
 * Time and chance, so that tests can supply their own.
 *
 * @typedef {object} Clock
 * @property {() => number} now Unix milliseconds.
 * @property {(run: () => void, delayMs: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random At least 0, below 1.
 */

/** @type {Clock} */
export const systemClock = {
  now: () => Date.now(),
  setTimeout: (run, delayMs) => globalThis.setTimeout(run, delayMs),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  random: () => Math.random(),
};

/**
 * @param {Clock} clock
 * @param {number} delayMs
 * @returns {Promise<void>}
 */
export function sleep(clock, delayMs) {
  return new Promise((resolve) => {
    clock.setTimeout(resolve, delayMs);
  });
}
